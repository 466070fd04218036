"""Writes the ledger: one page, stored as an artifact, per run that wrote deployments."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from logging import Logger, LoggerAdapter
from types import MappingProxyType
from typing import Any, Final

import psutil
from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger
from prefect.runtime import flow_run

from meta_prefect.errors import ServerError
from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.markdown import code, escaped, link
from meta_prefect.interfaces.ui_links import run_page
from meta_prefect.plan.ledger import ARTIFACT_TYPE, LedgerEntry, LedgerPage, PageHead
from meta_prefect.plan.outcomes import count_actions
from meta_prefect.server import PrefectServer
from meta_prefect.state.applied import store_applied
from meta_prefect.state.sealing_key import share_key

_MAX_NAMED: Final = 3


class OpenPage:
    """A ledger page that was begun and holds what is about to be written.

    Args:
        artifact_id: The id of its artifact.
        page: The page.
        server: The Prefect API.
    """

    def __init__(self, artifact_id: str, page: LedgerPage, server: PrefectServer) -> None:
        self._artifact_id = artifact_id
        self._page = page
        self._server = server

    @property
    def by(self) -> str:
        """Who deployed."""
        return self._page.by

    async def close(self, written: Iterable[str], ids: Mapping[str, str] = MappingProxyType({})) -> None:
        """Record what was actually written. The page of a run that wrote nothing is deleted.

        Args:
            written: Names of the deployments written.
            ids: Ids of the deployments that exist since then, by name.
        """
        names = set(written)
        entries = tuple(
            entry.model_copy(update={"id": ids.get(entry.deployment, entry.id)})
            for entry in self._page.entries
            if entry.deployment in names
        )
        path = f"/artifacts/{self._artifact_id}"
        page = self._page.model_copy(update={"entries": entries, "finished": True})
        try:
            if not entries:
                await self._server.delete(path)
                return
            await self._server.patch(path, {"data": page.model_dump(mode="json"), "description": _in_words(page)})
            await store_applied(page, self._server)
        except ServerError as error:
            # The deploy itself is done, and the page already says what was about to be written.
            _logger().warning("the ledger could not be brought up to date: %s", error)
            return
        _logger().info("recorded in the ledger: %s", _counted(page))


def _logger() -> LoggerAdapter[Any] | Logger:
    """Return the run's logger, or the process's if the run has ended and its page is closed on its behalf."""
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("meta_prefect")


async def begin_page(head: PageHead, entries: Sequence[LedgerEntry], server: PrefectServer) -> OpenPage:
    """Record what the current run is about to write, before it does.

    Args:
        head: The page's header.
        entries: What is about to be written; not empty.
        server: The Prefect API.
    """
    run_id = flow_run.get_id()
    await share_key((record for one in entries for record in (one.before, one.after)), server)
    server.mark(entries)
    page = LedgerPage(
        **asdict(head),
        run_id=str(run_id) if run_id else None,
        at=server.now(),
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


def _counted(page: LedgerPage) -> str:
    return count_actions(entry.action for entry in page.entries)


def _in_words(page: LedgerPage) -> str:
    """Describe the page for people; the data are for machines."""
    commit = f" at commit {code(short_commit(page.commit))}" if page.commit else ""
    verb = "wrote" if page.finished else "was about to write"
    where = f"{escaped(page.project)} in {escaped(page.environment)}"
    report = f" To read, there is the report of {link('its run', run_page(page.run_id))}." if page.run_id else ""
    return (
        f"Data of `meta-prefect history` and `rollback`: what {code(page.recipe)} {verb} for {where}{commit}, "
        f"by {escaped(page.by)} ({_named(page)}).{report}"
    )


def _named(page: LedgerPage) -> str:
    """Name a few deployments with what happened to each; for many, only the counts."""
    if len(page.entries) > _MAX_NAMED:
        return _counted(page)
    return "; ".join(
        f"{code(entry.deployment)} {entry.action}{f', version {short_commit(entry.version)}' if entry.version else ''}"
        for entry in page.entries
    )


async def who_runs(run_id: str | None, server: Api) -> str:
    """Return who is behind a run: whoever created it or one of its parent runs, else the user of this process.

    Returns:
        For example ``nightly (schedule)`` or ``ada@host``.
    """
    while run_id is not None:
        run = _present_run(run_id) or await server.get(f"/flow_runs/{run_id}") or {}
        if (creator := run.get("created_by")) and creator.get("display_value"):
            return f"{creator['display_value']} ({(creator.get('type') or 'creator').lower()})"
        parent: str | None = run.get("parent_task_run_id")
        outer: Record = (await server.get(f"/task_runs/{parent}") if parent else None) or {}
        run_id = outer.get("flow_run_id")
    # Not getpass.getuser(), which trusts an environment variable.
    return f"{psutil.Process().username()}@{socket.gethostname()}"


def _present_run(run_id: str) -> Record | None:
    """Return the run if it is the current one: the relevant fields were known when it started."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None or str(run.id) != run_id:
        return None
    return run.model_dump(mode="json", include={"created_by", "parent_task_run_id"})
