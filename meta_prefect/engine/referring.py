"""Checks references between automations and deployments: targets must exist, and nothing may refer to a deleted deployment."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from meta_prefect.engine.resolve import Draft
from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.implementations.notification.triggers import DeploymentTriggers
from meta_prefect.interfaces.components import Automation, Component
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.server import Reader


def check_targets(drafts: Sequence[Draft], live: Mapping[str, LiveDeployment], *, is_known: bool) -> None:
    """Check that deployments which components run exist or are created by this deploy.

    Args:
        drafts: The deployments; problems become their errors.
        live: The live deployments by name, including those that components run.
        is_known: Whether that is complete; without a server, nothing can be reported as missing.
    """
    # The stored schema of a live deployment is its run form, which may lack parameters of the flow.
    forms: dict[str, Record] = {one.full_name: {} for one in live.values()}
    forms |= {draft.deployment.full_name: draft.deployment.flow.parameter_schema for draft in drafts}
    # A replaced deployment no longer exists afterwards.
    replaced = {draft.deployment.renamed_from for draft in drafts if draft.deployment.full_name not in live}
    for draft in drafts:
        for component in draft.components:
            for target, parameters in component.runs:
                if target in forms and target not in replaced:
                    for error in _unknown_parameters(component, target, parameters, forms[target]):
                        draft.refuse(error)
                elif is_known:
                    draft.refuse(_missing(component, target, forms.keys() - replaced))
                else:
                    note = f"it runs {target!r}, which is not of this project: a plan says whether it is there"
                    draft.remarks = (*draft.remarks, note)


def check_cycles(drafts: Sequence[Draft]) -> None:
    """Reject deployments that trigger each other endlessly, each successful run starting the next.

    Runs restarted after a failure may come to an end.
    """
    started: dict[str, set[str]] = {}
    names = [draft.deployment.full_name for draft in drafts]
    for name, one in ((draft.deployment.full_name, component) for draft in drafts for component in draft.components):
        match one:
            case Automation() if "Completed" in one.states:
                started.setdefault(f"{one.flow}/{one.deployment}", set()).update(target for target, _ in one.runs)
            case DeploymentTriggers():
                for flow, deployment in one.follows:
                    of_any = [each for each in names if each.endswith(f"/{deployment}")]
                    for each in of_any if flow is None else [f"{flow}/{deployment}"]:
                        started.setdefault(each, set()).add(name)
            case _:
                pass
    for draft in drafts:
        way = _way_back(draft.deployment.full_name, started)
        if way:
            hint = "Break the ring; or let one of them run on a schedule."
            draft.refuse(ConfigurationError(f"it starts itself again, for ever: {' runs '.join(way)}", hint=hint))


def _way_back(name: str, started: Mapping[str, Collection[str]]) -> list[str]:
    """Return the shortest cycle through a deployment; empty if there is none."""
    ways, seen = [[name]], set[str]()
    while ways:
        way = ways.pop(0)
        for target in sorted(started.get(way[-1], ())):
            if target == name:
                return [*way, name]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return []


def _missing(component: Component, target: str, known: Iterable[str]) -> ConfigurationError:
    close = nearest(target, known)
    hint = close if close.startswith("Did you mean") else "Deploy it first, or name one that this deploy makes."
    return ConfigurationError(
        f"{component}: there is no deployment {target!r} to run, nor does this deploy make it", hint=hint
    )


def _unknown_parameters(
    component: Component, target: str, given: Mapping[str, Any], form: Record
) -> Iterator[ConfigurationError]:
    known: Mapping[str, Any] = form.get("properties") or {}
    for name in given:
        # Without a schema, the parameters of a deployment are unknown.
        if form and name not in known:
            yield ConfigurationError(f"{component}: {target!r} takes no parameter {name!r}", hint=nearest(name, known))


async def check_unreferred(
    going: Sequence[LiveDeployment], wanted: Mapping[str, str], leaving: Collection[str], server: Reader
) -> list[ConfigurationError]:
    """Find automations that would run, pause or resume deleted deployments.

    Args:
        going: The deployments that this deploy deletes.
        wanted: The deployments that this deploy's components run, each with the component's name.
        leaving: The ids of automations that this deploy removes or rewrites.
        server: The server to read from.
    """
    found = await asyncio.gather(*(_referring(one, server) for one in going))
    errors: list[ConfigurationError] = []
    for one, automations in zip(going, found, strict=True):
        names = [f"automation {each['name']!r}" for each in automations if each["id"] not in leaving]
        if one.full_name in wanted:
            names.append(wanted[one.full_name])
        if names:
            errors.append(
                ConfigurationError(
                    f"it cannot be deleted, as the {names[0]} refers to it",
                    where=f"deployment {one.full_name}",
                    hint="Change or delete that first; or keep the deployment in the project.",
                )
            )
    return errors


async def _referring(live: LiveDeployment, server: Reader) -> list[Record]:
    related: list[Record] = await server.get(f"/automations/related-to/prefect.deployment.{live.id}") or []
    # Automations created for a deployment by Prefect's own commands are deleted with it.
    its_own = re.compile(rf"{re.escape(live.name)}__automation_\d+")
    return [
        one
        for one in related
        if not its_own.fullmatch(one["name"])
        and any(action.get("deployment_id") == live.id for action in one.get("actions", ()))
    ]
