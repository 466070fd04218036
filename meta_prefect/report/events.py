"""Custom events that teams can use to trigger automations and notifications.

The resource of each event is the deployment as Prefect knows it; its project and environment are related resources:

    meta-prefect.deployment.applied    it was created or updated by a deploy
    meta-prefect.deployment.healthy    its smoke run has passed, and it was activated as planned
    meta-prefect.deployment.failed     a deploy could not write it
    meta-prefect.deployment.deleted    it was pruned
    meta-prefect.deployment.drifted    it was changed or deleted since the last deploy
    meta-prefect.deployment.healed     its drift was reverted
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from meta_prefect.plan.outcomes import Action
from meta_prefect.redaction import hidden
from meta_prefect.report import Report

Happening = Literal["applied", "healthy", "failed", "deleted", "drifted", "healed"]

_HAPPENINGS: Mapping[Action, Happening] = {
    "created": "applied",
    "updated": "applied",
    "failed": "failed",
    "deleted": "deleted",
}


def announce(
    happening: Happening,
    project: str,
    environment: str,
    deployment: str,
    deployment_id: str | None,
    payload: Mapping[str, Any],
) -> None:
    """Emit an event, without waiting for it or failing if it is lost.

    Args:
        happening: What happened.
        project: The project that owns the deployment.
        environment: The environment.
        deployment: ``flow/deployment``.
        deployment_id: Its id; None if it is not on the server.
        payload: Additional data.
    """
    from prefect.events import emit_event

    own = f"meta-prefect.deployment.{project}.{environment}.{deployment}"
    emit_event(
        f"meta-prefect.deployment.{happening}",
        resource={
            "prefect.resource.id": f"prefect.deployment.{deployment_id}" if deployment_id else own,
            "prefect.resource.name": deployment,
        },
        related=[
            _related("project", project, project),
            _related("environment", f"{project}.{environment}", environment),
        ],
        payload=hidden({"project": project, "environment": environment, "deployment": deployment, **payload}),
    )


def announce_report(report: Report, project: str) -> None:
    """Emit an event for each deployment that a deploy acted on."""
    for outcome in report.outcomes:
        if (happening := _HAPPENINGS.get(outcome.action)) is not None:
            payload = {
                "action": outcome.action,
                "recipe": outcome.recipe,
                "version": outcome.version,
                "detail": outcome.detail,
            }
            announce(happening, project, report.environment, outcome.deployment, outcome.id, payload)
            if outcome.smoke_run is not None and happening == "applied":
                announce("healthy", project, report.environment, outcome.deployment, outcome.id, payload)


def _related(role: str, name: str, shown: str) -> dict[str, str]:
    return {
        "prefect.resource.id": f"meta-prefect.{role}.{name}",
        "prefect.resource.role": role,
        "prefect.resource.name": shown,
    }
