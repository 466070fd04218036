"""Telling whoever looks at a run what it is about, once that is known."""

from __future__ import annotations

from typing import Final

from prefect import get_run_logger
from prefect.runtime import flow_run

from meta_prefect.errors import ServerError
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.tags import environment_tag
from meta_prefect.server import PrefectServer

SHORT: Final = 7
"""So many digits of a commit tell it from others."""


def in_short(context: DeployContext, verb: str, towards: str = "to") -> str:
    """``deploy etl-machine to prod @1a2b3c4``; a ``+`` at the end where files were changed since that commit."""
    told = f"{verb} {context.project} {towards} {context.environment}"
    if context.commit is None:
        return told
    return f"{told} @{context.commit[:SHORT]}{'+' if context.commit.endswith('+dirty') else ''}"


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
