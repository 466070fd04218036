"""Telling whoever looks at a run what it is about, once that is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.runtime import flow_run

from meta_prefect.errors import ServerError
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.tags import environment_tag
from meta_prefect.server import PrefectServer
from meta_prefect.settings import read_settings
from meta_prefect.steps.this_run import deployment_name


def named_after_project(verb: str, towards: str = "to", *, dry_verb: str | None = None) -> Callable[[], str]:
    """What a run about a project is called from its start, until :func:`tell_run` knows more.

    Args:
        verb: What it does.
        towards: What stands before the environment.
        dry_verb: What it does where its parameter ``dry_run`` is set.
    """

    def run_name() -> str:
        parameters: dict[str, Any] = flow_run.get_parameters()
        # A deployer's deployment is named after its project.
        project = deployment_name() or Path(parameters.get("path") or ".").resolve().name
        does = dry_verb if dry_verb is not None and parameters.get("dry_run") else verb
        return f"{does} {project} {towards} {parameters.get('environment') or read_settings().env}"

    return run_name


def in_short(context: DeployContext, verb: str, towards: str = "to") -> str:
    """``deploy etl-machine to prod @1a2b3c4``, with ``+dirty`` where files were changed since that commit."""
    told = f"{verb} {context.project} {towards} {context.environment}"
    return told if context.commit is None else f"{told} @{short_commit(context.commit)}"


async def tell_run(context: DeployContext, verb: str, server: PrefectServer, towards: str = "to") -> None:
    """Name the present run after what it does, and tag it with its project and environment."""
    run_id = flow_run.get_id()
    if run_id is None:
        return
    tags = [*flow_run.get_tags(), f"project={context.project}", environment_tag(context.environment)]
    try:
        await server.patch(
            f"/flow_runs/{run_id}",
            {"name": in_short(context, verb, towards), "tags": list(dict.fromkeys(tags))},
        )
    except ServerError as error:
        get_run_logger().warning("the run could not be named: %s", error)
