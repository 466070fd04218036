"""Writing the ledger: one page, an artifact, for each run that wrote deployments."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from logging import Logger

import psutil
from prefect import get_run_logger
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger
from prefect.logging.loggers import LoggingAdapter
from prefect.runtime import flow_run

from meta_prefect.errors import ServerError
from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.records import Record
from meta_prefect.plan.ledger import ARTIFACT_TYPE, Ledger, LedgerEntry, PageHead, deleted, entry_of
from meta_prefect.plan.records import desired_record
from meta_prefect.server import PrefectServer
from meta_prefect.steps.planning import PlannedDeployment
from meta_prefect.texts import code, markdown


class OpenPage:
    """A page of the ledger that has been begun, and holds what is about to be written.

    Args:
        artifact_id: Where it is stored.
        page: The page.
        server: The Prefect API.
    """

    def __init__(self, artifact_id: str, page: Ledger, server: PrefectServer) -> None:
        self._artifact_id = artifact_id
        self._page = page
        self._server = server

    async def close(self, written: Iterable[str]) -> None:
        """Note what really was written: the names of deployments. A page of a run that wrote nothing is removed."""
        names = set(written)
        entries = tuple(entry for entry in self._page.entries if entry.deployment in names)
        path = f"/artifacts/{self._artifact_id}"
        page = self._page.model_copy(update={"entries": entries, "finished": True})
        try:
            if not entries:
                await self._server.delete(path)
                return
            await self._server.patch(path, {"data": page.model_dump(mode="json"), "description": _in_words(page)})
        except ServerError as error:
            # The work itself is done, and the page says already what was about to be written.
            _logger().warning("the ledger could not be brought up to date: %s", error)
            return
        _logger().info("recorded in the ledger: %s", _counted(page))


def _logger() -> LoggingAdapter | Logger:
    """The run's log; where a run has ended already and its page is closed for it, the process's."""
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("meta_prefect")


def entries_of(planned: PlannedDeployment) -> list[LedgerEntry]:
    """What is written of a deployment, and of the one whose place it takes."""
    entry = entry_of(planned.change, desired_record(planned.draft.deployment))
    if entry is None:
        return []
    old = planned.predecessor
    return [entry] if old is None else [entry, deleted(old.full_name, old.record)]


async def begin_page(head: PageHead, entries: Sequence[LedgerEntry], server: PrefectServer) -> OpenPage:
    """Record what the present run is about to write, before it writes it.

    Args:
        head: Whose page it is.
        entries: What is about to be written; not empty.
        server: The Prefect API.
    """
    run_id = flow_run.get_id()
    page = Ledger(
        **asdict(head),
        run_id=str(run_id) if run_id else None,
        at=datetime.now(UTC),
        by=await who_runs(run_id, server),
        entries=tuple(entries),
        finished=False,
    )
    artifact_id = await server.create_artifact(
        {
            "type": ARTIFACT_TYPE,
            "key": page.key,
            "description": _in_words(page),
            "data": page.model_dump(mode="json"),
        }
    )
    return OpenPage(artifact_id, page, server)


def _counted(page: Ledger) -> str:
    counts = Counter(entry.action for entry in page.entries)
    return ", ".join(f"{count} {action}" for action, count in counts.items())


def _in_words(page: Ledger) -> str:
    commit = f" at commit {page.commit}" if page.commit else ""
    verb = "wrote" if page.finished else "was about to write"
    head = (
        f"What {page.recipe} {verb} for {page.project} in {markdown(page.environment)}{commit}, "
        f"by {markdown(page.by)}: {_counted(page)}."
    )
    lines = (
        f"- {code(entry.deployment)} {entry.action}{f', version {markdown(entry.version)}' if entry.version else ''}"
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
