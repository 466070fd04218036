"""``meta-prefect deploy --remote``: runs the project's deployer and follows its log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from meta_prefect.errors import TargetError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.tags import Names
from meta_prefect.server import PrefectServer, ui_url

FLOW: Final = "deploy-project"

_POLL_SECONDS: Final = 1
_FINAL: Final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_PAGE: Final = 200
_LOGS_TIMEOUT: Final = 6
"""Seconds to wait for the last logs after the end of a run; Prefect sends them every two seconds."""


@dataclass(frozen=True, slots=True)
class RemoteRun:
    """The result of a deployer's run.

    Attributes:
        succeeded: Whether it completed.
        state: The name of its final state.
        message: The message of that state.
        url: Its page in the Prefect UI.
    """

    succeeded: bool
    state: str
    message: str
    url: str | None


def deploy_remotely(path: Path, parameters: Mapping[str, Any], say: Callable[[str], None]) -> RemoteRun:
    """Run a project's deployer and forward its log.

    Args:
        path: The project's folder, or a file in it, which identifies the project or a part of it.
        parameters: Parameters of the flow ``deploy-project``; those that are None are left to the deployer.
        say: Called with the run's URL and each line of its log.

    Raises:
        TargetError: The project has no deployer, or the deployer does not support a parameter.
        NoApiConfiguredError: No Prefect API is configured.
    """
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.project import read_project
    from meta_prefect.server.access import query_api

    project = read_project(path, required=False)
    given = {name: value for name, value in parameters.items() if value is not None}
    if project.chosen is not None:
        given["path"] = project.place("", project.chosen)

    async def follow(server: PrefectServer) -> RemoteRun:
        started = await _start(project.names, given, server)
        url = ui_url("flow-run", started["id"])
        say(f"Run: {url or started['id']}")
        async for line in _lines(started["id"], server):
            say(line)
        state: Record = (await server.get(f"/flow_runs/{started['id']}"))["state"]
        return RemoteRun(state["type"] == "COMPLETED", state["name"], state.get("message") or "", url)

    with server_of(project, parameters.get("environment")):
        return query_api(follow, "no deployer")


async def _start(names: Names, parameters: Mapping[str, Any], server: PrefectServer) -> Record:
    deployer: Record | None = None
    # A deployer under a former name deploys the project's current state until `bootstrap` replaces it.
    for project in names:
        if (deployer := await server.get(f"/deployments/name/{FLOW}/{project}")) is not None:
            break
    else:
        raise TargetError(
            f"the project {names[0]!r} has no deployer on {server.url}", hint="Make one: `meta-prefect bootstrap`."
        )
    form: Record = deployer["parameter_openapi_schema"] or {}
    offered: Record = form.get("properties") or {}
    if unknown := [name for name in parameters if name not in offered]:
        raise TargetError(f"the deployer of {project} takes no {', '.join(unknown)}", where=f"{FLOW}/{project}")
    environment = parameters.get("environment")
    described: Record = offered.get("environment") or {}
    choices: list[str] | None = described.get("enum")
    if environment is not None and choices is not None and environment not in choices:
        raise TargetError(
            f"the deployer of {project} does not deploy to {environment!r}",
            where="--env",
            hint=f"Choose among {', '.join(choices)}, or bootstrap it again with that one among its --environments.",
        )
    return await server.post(f"/deployments/{deployer['id']}/create_flow_run", {"parameters": dict(parameters)})


async def _lines(run_id: str, server: PrefectServer) -> AsyncGenerator[str]:
    """Yield the log of a run until it has ended and its last lines have arrived."""
    seen = 0
    left = _LOGS_TIMEOUT
    while left > 0:
        ended = (await server.get(f"/flow_runs/{run_id}"))["state"]["type"] in _FINAL
        condition = {"logs": {"flow_run_id": {"any_": [run_id]}}}
        while page := await server.post(
            "/logs/filter", {**condition, "sort": "TIMESTAMP_ASC", "offset": seen, "limit": _PAGE}
        ):
            seen += len(page)
            for entry in page:
                if entry["message"].startswith("Finished in state") and entry.get("task_run_id") is None:
                    left = 0
                if not entry["message"].startswith("Finished in state"):
                    yield entry["message"].partition("\nTraceback")[0]
        left -= 1 if ended else 0
        if left > 0:
            await asyncio.sleep(_POLL_SECONDS)
