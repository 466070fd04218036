"""`meta-prefect doctor`: checks the prerequisites of a deploy and its runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
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
    """The result of one check.

    Attributes:
        about: The subject.
        verdict: ``bad`` if a deploy or its runs would fail.
        said: What was found.
        hint: What to do; empty if nothing.
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
    """Yield the results of all checks; a failed one does not stop the others."""
    looks: dict[str, Callable[[], Iterable[Finding]]] = {
        "recipes": _versions,
        "server on this host": _this_host,
        "API": _api,
        "project": lambda: _project(path),
    }
    for about, look in looks.items():
        try:
            yield from look()
        except MetaPrefectError as error:
            yield Finding(about, "bad", error.message, error.hint or "")


def _versions() -> Iterator[Finding]:
    import platform

    import prefect

    from meta_prefect import __version__
    from meta_prefect.recipes.registry import Recipes

    said = f"Meta-Prefect {__version__}, Prefect {prefect.__version__}, Python {platform.python_version()}"
    yield Finding("versions", "good", said)
    yield Finding("recipes", "good", f"{len(Recipes().all())} are installed")


def _this_host() -> Iterator[Finding]:
    from meta_prefect.cli.processes import has_died, server_lines, worker_line
    from meta_prefect.local.server import server_status
    from meta_prefect.local.worker import worker_status

    if (server := server_status()) is not None:
        is_silent = server.alive and not server.healthy
        hint = "`meta-prefect server stop`, and deploy again." if is_silent else ""
        yield Finding("server on this host", "bad" if is_silent else "good", next(iter(server_lines(server))), hint)
    for worker in worker_status():
        if has_died(worker):
            hint = f"`meta-prefect worker logs {shlex.quote(worker.pool)}` says why; the next deploy starts it again."
            yield Finding("worker on this host", "bad", worker_line(worker), hint)


def _api() -> Iterable[Finding]:
    from meta_prefect.errors import NoApiConfiguredError
    from meta_prefect.server.access import query_api

    try:
        return query_api(_of_the_server, "no diagnosis")
    except NoApiConfiguredError:
        return [Finding("API", "note", "none is configured", "The first deploy starts a Prefect server on this host.")]


async def _of_the_server(server: PrefectServer) -> list[Finding]:
    from meta_prefect.errors import ServerError

    found = [Finding("API", "good", f"{server.url} answers")]
    for kind in _READS:
        try:
            await server.post(f"/{kind}/filter", {"limit": 1})
        except ServerError as error:
            found.append(Finding("permissions", "bad", f"{kind} cannot be read: {error.message}", error.hint or ""))
    apart = abs(server.now() - datetime.now(UTC))
    if apart > _CLOCKS_DIFFER:
        said = f"this host's differs from the server's by {apart.total_seconds():.0f} seconds"
        found.append(Finding("clock", "note", said, "Set it by NTP. Deploys go by the server's."))
    used = {one.record["work_pool_name"] for one in await server.read_all_deployments()}
    pools: list[Record] = await server.post("/work_pools/filter", {"limit": 200})
    return [*found, *(_pool(one) for one in pools if one["name"] in used)]


def _pool(pool: Record) -> Finding:
    """Check whether a work pool has workers."""
    from meta_prefect.interfaces.components.worker import needs_no_worker

    name, kind = pool["name"], pool["type"]
    about = f"work pool {name}"
    if pool.get("is_paused"):
        return Finding(about, "note", "is paused", f"`prefect work-pool resume {shlex.quote(name)}`")
    if needs_no_worker(kind):
        return Finding(about, "good", f"{kind}, which needs no worker")
    if pool.get("status") == "NOT_READY":
        hint = f"`prefect worker start -p {shlex.quote(name)}`, where its runs are to happen."
        return Finding(about, "bad", f"no {kind} worker is online", hint)
    return Finding(about, "good", f"a {kind} worker is online")


def _project(path: Path) -> Iterator[Finding]:
    from meta_prefect.deploy import validate
    from meta_prefect.errors import ValidationFailed
    from meta_prefect.plan.outcomes import counted
    from meta_prefect.project import read_project

    try:
        project = read_project(path, required=False)
        if not project.file.exists():
            said = f"there is no {project.file.name} in {project.root}"
            yield Finding("project", "note", said, "`meta-prefect init` writes one.")
            return
        count = len(validate([str(path)]).outcomes)
    except ValidationFailed as failure:
        said = counted(len(failure.errors), "error")
        yield Finding("project", "bad", said, "`meta-prefect validate` names them.")
    else:
        yield Finding("project", "good", f"{project.name} is valid, with {counted(count, 'deployment')}")
