"""Checks what a rollback will write the way a deploy would: the record may be outdated, or not ours."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from meta_prefect.errors import ConfigurationError, ConflictError, TargetError, ValidationFailed
from meta_prefect.flows.entrypoints import file_in_project, parse_entrypoint
from meta_prefect.interfaces.components import OwnedAutomation, Owner, WorkQueue
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.deployment import Deployment, FlowFacts
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.checks import check_job_variables, check_parameters
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.ledger import HistoryEntry
from meta_prefect.plan.references import missing_references, references_of
from meta_prefect.plan.rollback import FOLDER, check_owned, check_steps, let_through
from meta_prefect.plan.soundness import why_unsound
from meta_prefect.project import Project
from meta_prefect.server import PrefectServer


async def check_restorable(
    target: HistoryEntry,
    history: Sequence[HistoryEntry],
    live: LiveDeployment | None,
    project: Project,
    server: PrefectServer,
) -> None:
    """Check whether a deployment may be restored to an earlier state.

    Args:
        target: The earlier state.
        history: Its recorded history.
        live: Its live state.
        project: The project.
        server: The Prefect API.

    Raises:
        TargetError: Its work pool no longer exists.
        ValidationFailed: What would be written fails a deploy's checks.
    """
    record = target.entry.after or {}
    where = f"{target.entry.deployment} at {target}"
    pool: Record | None = None
    if (name := record.get("work_pool_name")) is not None:
        pool = await server.get(f"/work_pools/{quote(name, safe='')}")
        if pool is None:
            raise TargetError(
                f"at {target} it ran in the work pool {name!r}, which is gone",
                where=f"deployment {target.entry.deployment}",
                hint="Create the pool again, or choose another version.",
            )
    now = live.record if live is not None else None
    errors: list[ConfigurationError] = [
        *check_owned(target, project.environments.called.get(target.page.environment)),
        *check_steps(target, history, now),
    ]
    try:
        deployment = _deployment(target, project.root)
        errors += _check_entrypoint(record, project.root, where)
    except ValidationError as error:
        errors.append(ConfigurationError(why_unsound(error), where=where))
    except ConfigurationError as error:
        errors.append(error)
    else:
        if target.entry.action != "found":
            allowed = let_through(target, history, now)
            errors += _check_values(deployment.model_copy(update={"allowed": allowed}), record, pool)
        errors += await _check_references(deployment, server)
    if errors:
        raise ValidationFailed(errors)


async def untouched_by_rollback(
    deployment: str, live: LiveDeployment | None, owner: Owner, server: PrefectServer
) -> str | None:
    """Describe what a deploy created for a deployment and a rollback does not touch; None if there is nothing.

    Args:
        deployment: Its name.
        live: Its live state; None if it no longer exists.
        owner: The project and the environment.
        server: The Prefect API.
    """
    if live is None:
        return "automations and queues that it had are made by the next deploy of the project, not by a rollback"
    pools: tuple[str, ...] = (live.record["work_pool_name"],) if live.record["work_pool_name"] else ()
    kinds = (OwnedAutomation, WorkQueue)
    found = await asyncio.gather(*(kind.owned(replace(owner, pools=pools), server) for kind in kinds))
    names = sorted(" ".join(one.key) for made in found for one in made if one.users & {deployment, live.id})
    return f"left as it is now: {', '.join(names)}" if names else None


def _check_values(deployment: Deployment, record: Record, pool: Record | None) -> Iterator[ConfigurationError]:
    """Check parameters and job variables; states from before the project managed it may hold anything Prefect accepted."""
    yield from check_parameters(deployment)
    schedules: dict[str, Record] = record.get("schedules") or {}
    for slug, schedule in schedules.items():
        scheduled = deployment.model_copy(update={"parameters": schedule["parameters"]})
        yield from (_at_schedule(error, slug) for error in check_parameters(scheduled))
    yield from check_job_variables(deployment, (pool or {}).get("base_job_template") or {})


def _at_schedule(error: ConfigurationError, slug: str) -> ConfigurationError:
    error.asked_for_at(f"schedule {slug!r}")
    return error


async def _check_references(deployment: Deployment, server: PrefectServer) -> list[ConfigurationError]:
    references = references_of(deployment)
    types = {reference.block_type for reference in references if reference.kind == "block"}
    blocks = await server.known_blocks(types) if types else set[tuple[str, str]]()
    has_variables = any(reference.kind == "variable" for reference in references)
    variables = await server.known_variables() if has_variables else set[str]()
    return list(missing_references(deployment, blocks, variables))


def _deployment(target: HistoryEntry, root: Path) -> Deployment:
    """Return what is to be written in the form that a deploy checks."""
    record = target.entry.after or {}
    page = target.page
    flow_name, _, name = target.entry.deployment.partition("/")
    return Deployment(
        flow=FlowFacts(
            name=flow_name,
            entrypoint=record.get("entrypoint") or "",
            source=str(root),
            parameter_schema=record.get("parameter_openapi_schema") or {},
        ),
        context=DeployContext(
            project=page.project,
            source=str(root),
            environment=page.environment,
            now=page.at,
            deploy_id=page.deploy_id,
        ),
        environment=page.environment,
        name=name,
        version=record.get("version"),
        tags=record.get("tags") or [],
        parameters=record.get("parameters") or {},
        pull_steps=record.get("pull_steps") or [],
        job_variables=record.get("job_variables") or {},
        work_pool_name=record.get("work_pool_name"),
        work_queue_name=record.get("work_queue_name"),
    )


def _check_entrypoint(record: Record, root: Path, where: str) -> Iterator[ConfigurationError]:
    """Yield an error if an entrypoint is outside the code that a run gets.

    Whether the file exists can be checked only in this project's own folder, not in a clone, a download or an image.
    """
    entrypoint = parse_entrypoint(record.get("entrypoint") or "", where=where)
    if entrypoint.file is None:
        return
    steps: list[Record] = record.get("pull_steps") or []
    folders = [step[FOLDER].get("directory") for step in steps if isinstance(step.get(FOLDER), dict)]
    if folders == [str(root.resolve())]:
        file_in_project(root.resolve(), entrypoint.file, where=where)
        return
    file = Path(os.path.normpath(entrypoint.file))
    if not file.is_absolute():
        is_inside = file.parts[:1] != ("..",)
    else:
        # With an image, the whole file system counts as the code.
        is_inside = len(folders) == len(steps) and all(
            not str(folder).startswith("/") or file.is_relative_to(str(folder)) for folder in folders
        )
    if not is_inside:
        yield ConflictError(
            f"its entrypoint {entrypoint.text!r} lies outside of the code that its runs take", where=where
        )
