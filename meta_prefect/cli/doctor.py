"""`meta-prefect doctor`: whether everything is there that a deploy and its runs need."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from meta_prefect.cli.options import Form, ProjectPath
from meta_prefect.cli.output import Output
from meta_prefect.errors import MetaPrefectError

if TYPE_CHECKING:
    from meta_prefect.interfaces.json_diff import Record
    from meta_prefect.server import PrefectServer

_COLORS: Final = {"good": "green", "note": "yellow", "bad": "bold red"}
_CLOCKS_DIFFER: Final = timedelta(seconds=30)
_READS: Final = ("deployments", "flow_runs", "artifacts", "variables", "automations", "block_documents", "work_pools")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at.

    Attributes:
        about: What it is about.
        verdict: ``bad`` where a deploy or its runs would fail.
        said: What was found.
        hint: What to do; empty where nothing is.
    """

    about: str
    verdict: Literal["good", "note", "bad"]
    said: str
    hint: str = ""


def doctor(*, path: ProjectPath = Path(), output: Form = "text") -> int:
    """Look at all that a deploy and its runs need: versions, API, permissions, clock, work pools, this host, the project.

    Nothing is written or started. Exits with 1 where something is bad, and says what to do.
    """
    out = Output()
    found: list[Finding] = []
    for one in _findings(path):
        found.append(one)
        if output == "text":
            out.raw(f"{one.verdict:4}  {one.about}: {one.said}", style=_COLORS[one.verdict])
            if one.hint:
                out.raw(f"      {one.hint}")
    if output == "json":
        out.result({"findings": [asdict(one) for one in found]}, (), output)
    return 1 if any(one.verdict == "bad" for one in found) else 0


def _findings(path: Path) -> Iterator[Finding]:
    yield from _versions()
    yield from _this_host()
    yield from _api()
    yield from _project(path)


def _versions() -> Iterator[Finding]:
    import platform

    import prefect

    from meta_prefect import __version__

    yield Finding(
        "versions",
        "good",
        f"Meta-Prefect {__version__}, Prefect {prefect.__version__}, Python {platform.python_version()}",
    )
    from meta_prefect.recipes.registry import Recipes

    with _refused("recipes") as refused:
        yield Finding("recipes", "good", f"{len(Recipes().all())} are installed")
    yield from refused


def _this_host() -> Iterator[Finding]:
    from meta_prefect.cli.processes import has_died, server_lines, worker_line
    from meta_prefect.local.server import server_status
    from meta_prefect.local.worker import worker_status

    with _refused("server on this host") as refused:
        if (server := server_status()) is not None:
            is_silent = server.alive and not server.healthy
            hint = "`meta-prefect server stop`, and deploy again." if is_silent else ""
            yield Finding("server on this host", "bad" if is_silent else "good", next(iter(server_lines(server))), hint)
        for worker in worker_status():
            if has_died(worker):
                hint = (
                    f"`meta-prefect worker logs {shlex.quote(worker.pool)}` says why; the next deploy starts it again."
                )
                yield Finding("worker on this host", "bad", worker_line(worker), hint)
    yield from refused


def _api() -> Iterator[Finding]:
    from meta_prefect.local.api import reading_api
    from meta_prefect.server.asking import ask_api

    async def look(server: PrefectServer) -> list[Finding]:
        return [one async for one in _of_the_server(server)]

    with reading_api() as api, _refused("API") as refused:
        if api is None:
            yield Finding("API", "note", "none is configured", "The first deploy starts a Prefect server on this host.")
        else:
            yield from ask_api(look, "no diagnosis")
    yield from refused


async def _of_the_server(server: PrefectServer) -> AsyncIterator[Finding]:
    from meta_prefect.errors import ServerError

    yield Finding("API", "good", f"{server.url} answers")
    for kind in _READS:
        try:
            await server.post(f"/{kind}/filter", {"limit": 1})
        except ServerError as error:
            yield Finding("permissions", "bad", f"{kind} cannot be read: {error.message}", error.hint or "")
    apart = abs(server.now() - datetime.now(UTC))
    if apart > _CLOCKS_DIFFER:
        said = f"this host's differs from the server's by {apart.total_seconds():.0f} seconds"
        yield Finding("clock", "note", said, "Set it by NTP. Deploys go by the server's.")
    async for finding in _pools(server):
        yield finding


async def _pools(server: PrefectServer) -> AsyncIterator[Finding]:
    """Each work pool that deployments use, and whether somebody takes its runs."""
    from meta_prefect.interfaces.components.worker import needs_no_worker

    used = {one.record["work_pool_name"] for one in await server.read_all_deployments()} - {None}
    pools: list[Record] = await server.post("/work_pools/filter", {"limit": 200})
    for pool in pools:
        name, kind = pool["name"], pool["type"]
        if name not in used:
            continue
        if pool.get("is_paused"):
            yield Finding(f"work pool {name}", "note", "is paused", f"`prefect work-pool resume {shlex.quote(name)}`")
        elif needs_no_worker(kind):
            yield Finding(f"work pool {name}", "good", f"{kind}, which needs no worker")
        elif pool.get("status") == "NOT_READY":
            hint = f"`prefect worker start -p {shlex.quote(name)}`, where its runs are to happen."
            yield Finding(f"work pool {name}", "bad", f"no {kind} worker is online", hint)
        else:
            yield Finding(f"work pool {name}", "good", f"a {kind} worker is online")


def _project(path: Path) -> Iterator[Finding]:
    from meta_prefect.deploy import validate
    from meta_prefect.errors import ValidationFailed
    from meta_prefect.plan.outcomes import counted
    from meta_prefect.project import read_project

    with _refused("project") as refused:
        try:
            project = read_project(path, required=False)
            if not project.file.exists():
                said = f"there is no {project.file.name} in {project.root}"
                yield Finding("project", "note", said, "`meta-prefect init` writes one.")
                return
            count = len(validate([str(path)]).outcomes)
        except ValidationFailed as failure:
            yield Finding(
                "project", "bad", counted(len(failure.errors), "error"), "`meta-prefect validate` names them."
            )
        else:
            yield Finding("project", "good", f"{project.name} is valid, with {counted(count, 'deployment')}")
    yield from refused


@contextmanager
def _refused(about: str) -> Generator[list[Finding]]:
    """What went wrong within, as the finding that it is."""
    refused: list[Finding] = []
    try:
        yield refused
    except MetaPrefectError as error:
        refused.append(Finding(about, "bad", error.message, error.hint or ""))
