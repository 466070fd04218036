"""Writing the ledger: one page, an artifact, for each run that wrote deployments."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import psutil
from prefect import get_run_logger
from prefect.runtime import flow_run

from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.records import Record
from meta_prefect.plan.ledger import ARTIFACT_TYPE, Ledger, LedgerEntry, deleted, entry_of
from meta_prefect.plan.records import desired_record
from meta_prefect.server import PrefectServer
from meta_prefect.steps.planning import PlannedDeployment


async def record_deploy(
    recipe: str, written: Iterable[PlannedDeployment], context: DeployContext, server: PrefectServer
) -> Ledger | None:
    """Record what a recipe's run wrote.

    Args:
        recipe: The recipe's name.
        written: The deployments that really were written.
        context: The deploy.
        server: The Prefect API.

    Returns:
        The page; None where nothing was written, and nothing is recorded.
    """
    entries: list[LedgerEntry] = []
    for planned in written:
        if (entry := entry_of(planned.change, desired_record(planned.draft.deployment))) is not None:
            entries.append(entry)
        if planned.predecessor is not None:
            entries.append(deleted(planned.predecessor.full_name, planned.predecessor.record))
    return await record(
        entries,
        server,
        project=context.project,
        environment=context.environment,
        recipe=recipe,
        deploy_id=context.deploy_id,
        commit=context.commit,
    )


async def record(
    entries: Sequence[LedgerEntry],
    server: PrefectServer,
    *,
    project: str,
    environment: str,
    recipe: str,
    deploy_id: str,
    commit: str | None,
) -> Ledger | None:
    """Record what the present run wrote; see :class:`~meta_prefect.plan.ledger.Ledger` for the arguments.

    Returns:
        The page; None where there are no entries, and nothing is recorded.
    """
    if not entries:
        return None
    run_id = flow_run.get_id()
    page = Ledger(
        project=project,
        environment=environment,
        recipe=recipe,
        deploy_id=deploy_id,
        run_id=str(run_id) if run_id else None,
        commit=commit,
        at=datetime.now(UTC),
        by=await who_runs(run_id, server),
        entries=tuple(entries),
    )
    await server.create_artifact(
        {
            "type": ARTIFACT_TYPE,
            "key": page.key,
            "description": _in_words(page),
            "data": page.model_dump(mode="json"),
        }
    )
    get_run_logger().info("recorded in the ledger: %s", _counted(page))
    return page


def _counted(page: Ledger) -> str:
    counts = Counter(entry.action for entry in page.entries)
    return ", ".join(f"{count} {action}" for action, count in counts.items())


def _in_words(page: Ledger) -> str:
    commit = f" at commit {page.commit}" if page.commit else ""
    head = f"What {page.recipe} wrote for {page.project} in {page.environment}{commit}, by {page.by}: {_counted(page)}."
    lines = (
        f"- `{entry.deployment}` {entry.action}{f', version {entry.version}' if entry.version else ''}"
        for entry in page.entries
    )
    return "\n".join((head, "", *lines))


async def who_runs(run_id: str | None, server: Api) -> str:
    """Who is behind a run: whoever made it or a run that it is part of, else who runs this process.

    Returns:
        For example ``nightly (schedule)`` or ``ada@host``.
    """
    while run_id is not None:
        run: Record = await server.get(f"/flow_runs/{run_id}") or {}
        if (creator := run.get("created_by")) and creator.get("display_value"):
            return f"{creator['display_value']} ({(creator.get('type') or 'creator').lower()})"
        parent: str | None = run.get("parent_task_run_id")
        outer: Record = (await server.get(f"/task_runs/{parent}") if parent else None) or {}
        run_id = outer.get("flow_run_id")
    # Not getpass.getuser(), which believes an environment variable.
    return f"{psutil.Process().username()}@{socket.gethostname()}"
