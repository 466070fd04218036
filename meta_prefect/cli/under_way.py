"""Finds active runs on the background server, which stopping it would interrupt."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from meta_prefect.errors import ProcessError, ServerError

if TYPE_CHECKING:
    from meta_prefect.interfaces.json_diff import Record
    from meta_prefect.local.server import LocalServer

_UNDER_WAY: Final = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
_MAX_RUNS: Final = 200
_NAMED: Final = 10


@dataclass(frozen=True)
class UnderWay:
    """The active runs, by name.

    Attributes:
        deploys: Runs of the deployer, which would be left unfinished.
        others: Runs of the user's flows.
        commands: Whether a command on this host is writing through the server, possibly without a run yet.
    """

    deploys: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    commands: bool = False


def refuse_to_cut_off(found: UnderWay) -> None:
    """Refuse to stop a server during a deploy.

    Raises:
        ProcessError: A deploy is in progress.
    """
    if found.deploys or found.commands:
        raise ProcessError(
            f"a deploy is under way on this server: {named(found.deploys) or 'a command of this host has just begun one'}",
            hint="Wait for it; or stop the server all the same, and deploy again later: `meta-prefect server stop --force`.",
        )


def named(runs: tuple[str, ...]) -> str:
    """List some runs and count the rest."""
    more = len(runs) - _NAMED
    return ", ".join(runs[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def under_way_on(server: LocalServer) -> UnderWay:
    """Find active runs on the background server; they are known only if it responds."""
    from meta_prefect.local.api import using_server
    from meta_prefect.local.in_use import is_in_use

    runs = UnderWay()
    if server.healthy:
        with suppress(ServerError), using_server(server):
            runs = asyncio.run(_ask())
    return replace(runs, commands=is_in_use())


async def _ask() -> UnderWay:
    from meta_prefect.local.host import LocalHost
    from meta_prefect.server import connect

    # A subflow run is represented by its parent.
    condition = {"flow_runs": {**_UNDER_WAY, "parent_task_run_id": {"is_null_": True}}}
    async with connect(LocalHost()) as server:
        runs: list[Record] = await server.post("/flow_runs/filter", {**condition, "limit": _MAX_RUNS})
        if not runs:
            return UnderWay()
        flows: list[Record] = await server.post(
            "/flows/filter", {"flows": {"id": {"any_": sorted({run["flow_id"] for run in runs})}}}
        )
    ours = {flow["id"] for flow in flows if flow["name"] in _own_flows()}
    return UnderWay(
        deploys=tuple(sorted(run["name"] for run in runs if run["flow_id"] in ours)),
        others=tuple(sorted(run["name"] for run in runs if run["flow_id"] not in ours)),
    )


def _own_flows() -> set[str]:
    """Return the names of the deployer's flows and recipes."""
    import deployer_flows
    from meta_prefect.recipes.registry import Recipes

    flows = {getattr(deployer_flows, name).name for name in deployer_flows.__all__}
    return flows | {name.replace("_", "-") for name in Recipes().names}
