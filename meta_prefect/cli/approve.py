"""``meta-prefect approve``: answers a deploy that is waiting for approval."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from meta_prefect.cli.options import Debug, Flag, ProjectPath, ServerOf
from meta_prefect.cli.output import Output

if TYPE_CHECKING:
    from meta_prefect.server import PrefectServer


def approve(
    run: str,
    /,
    *,
    reject: Annotated[Flag, Parameter(help="Reject it instead: nothing is written.")] = False,
    comment: Annotated[str, Parameter(help="Why; stands in the run, the ledger and the history.")] = "",
    by: Annotated[str | None, Parameter(help="Who answers; by default you, as user@host.")] = None,
    path: ProjectPath = Path(),
    env: ServerOf = None,
    debug: Debug = False,
) -> int:
    """Approve a deploy that waits for it, or reject it. What was approved is what is applied.

    Parameters
    ----------
    run
        The run that waits: its id, or the address of its page.
    """
    import psutil

    from meta_prefect.engine.approval_answer import answer
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.project import read_project
    from meta_prefect.server.access import query_api

    out = Output()
    who = by or f"{psutil.Process().username()}@{socket.gethostname()}"
    decision = "reject" if reject else "approve"

    async def send(server: PrefectServer) -> str:
        return await answer(run, {"decision": decision, "by": who, "comment": comment}, server)

    with out.watching("Answering", debug=debug), server_of(read_project(path, required=False), env):
        name = query_api(send, "nothing to approve")
    out.raw(f"{decision}{'ed' if reject else 'd'}: {name}")
    return 0
