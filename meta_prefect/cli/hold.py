"""``meta-prefect hold`` and ``meta-prefect release``: keep deploys from touching a deployment for a while."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from cyclopts import Parameter

from meta_prefect.cli.options import Debug, Deployment, ProjectPath, ServerOf
from meta_prefect.cli.output import Output

if TYPE_CHECKING:
    from meta_prefect.plan.holds import Hold


def hold(
    deployment: Deployment,
    /,
    *,
    because: Annotated[str, Parameter(help="Why; shown wherever the hold is.")],
    until: Annotated[
        str | None,
        Parameter(
            help="Until when: `2026-12-01`, `2026-12-01T18:00+01:00`, `12h`, `3d`; by default until it is released."
        ),
    ] = None,
    scope: Annotated[
        Literal["all", "automatic"],
        Parameter(
            help="`all` stops every deploy; `automatic` only scheduled and healing ones, until somebody deploys it."
        ),
    ] = "all",
    path: ProjectPath = Path(),
    env: ServerOf = None,
    debug: Debug = False,
) -> int:
    """Leave a deployment as it is: deploys, heals and prunes do not touch it, and say who asked for that and why.

    The deployment itself is not written, so its scheduled runs stay.

    Parameters
    ----------
    deployment
        The deployment, as `flow/deployment`.
    """
    out = Output()
    with out.watching("Holding", debug=debug):
        made = _observed(env, deployment=deployment, because=because, until=until, scope=scope, path=str(path))
    out.raw(f"{deployment} is {made}")
    return 0


def release(
    deployment: Deployment, /, *, path: ProjectPath = Path(), env: ServerOf = None, debug: Debug = False
) -> int:
    """End the hold of a deployment; the next deploy makes it what the project wants.

    Parameters
    ----------
    deployment
        The deployment, as `flow/deployment`.
    """
    out = Output()
    with out.watching("Releasing", debug=debug):
        ended = _observed(env, deployment=deployment, release=True, path=str(path))
    out.raw(f"released: {deployment} was {ended}")
    return 0


def _observed(env: str | None, /, **parameters: Any) -> Hold:
    from deployer_flows import hold as flow
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.project import read_project
    from meta_prefect.server.access import run_flow

    with server_of(read_project(Path(parameters["path"]), required=False), env):
        return run_flow(lambda: cast("Any", flow)(**parameters), "nothing to hold")
