"""``hold``: keeps deploys, heals and prunes from touching a deployment until it is released."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import get_run_logger
from prefect.runtime import flow_run
from pydantic import Field

from meta_prefect.engine.context import clock
from meta_prefect.engine.form import ProjectPath
from meta_prefect.engine.holds import remove_hold, store_hold
from meta_prefect.engine.observed import ending_in_words, saying
from meta_prefect.engine.source import project_folder
from meta_prefect.errors import ConflictError, TargetError, nearest
from meta_prefect.interfaces.tags import Names, owner
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.holds import MAX_REASON_LENGTH, Hold, Holds, Scope, read_until
from meta_prefect.project import read_project
from meta_prefect.recipes.deploy_flow import deploy_flow
from meta_prefect.server import PrefectServer, connect
from meta_prefect.state.ledger import who_runs


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.get_parameters()
    return f"{'release' if parameters.get('release') else 'hold'} {parameters['deployment']}"


@deploy_flow(name="hold", flow_run_name=_run_name)
@ending_in_words
async def hold(
    deployment: Annotated[str, Field(title="Deployment", description="`flow/deployment`.")],
    because: Annotated[
        str | None,
        Field(title="Because", description="Why; shown wherever the hold is.", max_length=MAX_REASON_LENGTH),
    ] = None,
    until: Annotated[
        str | None,
        Field(
            title="Until",
            description="`2026-12-01` (its beginning in UTC), `2026-12-01T18:00+01:00`, `12h` or `3d`; left empty, until it is "
            "released.",
        ),
    ] = None,
    scope: Annotated[
        Scope,
        Field(
            title="Whom it stops",
            description="`all`: every deploy. `automatic`: scheduled and healing deploys; an explicit one ends the hold.",
        ),
    ] = "all",
    release: Annotated[bool, Field(title="Release", description="End the hold instead.")] = False,
    path: ProjectPath = ".",
) -> Hold:
    """Leave a deployment as it is: deploys, heals and prunes do not touch it, and say who asked for that and why.

    The deployment itself is not written. A deploy that is under way is not stopped.

    Raises:
        TargetError: There is no such deployment, or it is not held; or no reason is given.
        ConflictError: The deployment belongs to another project.
    """
    async with connect(LocalHost()) as server, project_folder(path, None, server) as folder:
        project = read_project(folder, required=False)
        holds = await server.read_holds()
        for text in server.unsound.values():
            get_run_logger().warning("%s", text)
        if release:
            released = await _release(deployment, holds, server)
            return saying(f"{deployment} is no longer {released}", released)
        await _check_ours(deployment, project.names, server)
        asked = await _asked(deployment, because, until, scope, server)
        await store_hold(deployment, asked, server)
        return saying(f"{deployment} is {asked}", asked)


async def _asked(deployment: str, because: str | None, until: str | None, scope: Scope, server: PrefectServer) -> Hold:
    if not (because or "").strip():
        raise TargetError(
            "a hold needs a reason, so that others can tell whether it still applies",
            where="because",
            hint="Say why: --because 'vendor fixes the API on Monday'.",
        )
    now = clock()
    try:
        end = read_until(until, now) if until else None
        by = (await who_runs(flow_run.get_id(), server))[:300]
        return Hold(deployment=deployment, by=by, at=now, until=end, because=because or "", scope=scope)
    except ValueError as error:
        raise TargetError(str(error).splitlines()[0], where=f"hold {deployment}") from None


async def _release(deployment: str, holds: Holds, server: PrefectServer) -> Hold:
    stored = holds.get(deployment)
    if stored is None:
        raise TargetError(
            f"{deployment!r} is not held", hint=nearest(deployment, holds) if holds else "Nothing is held."
        )
    await remove_hold(deployment, stored, server)
    return stored.hold


async def _check_ours(deployment: str, names: Names, server: PrefectServer) -> None:
    """Reject holding a deployment of another project. A deleted one may be held, so that it is not recreated."""
    live = await server.read_deployment(deployment)
    if live is None:
        last = await server.read_last_entries(names, [deployment], unconfirmed=True)
        if deployment not in last:
            raise TargetError(
                f"there is no deployment {deployment!r}, and this project never deployed one",
                hint="Write it as flow/deployment; `prefect deployment ls` lists what there is.",
            )
        return
    if (other := owner(live.record["tags"])) not in names:
        raise ConflictError(
            f"it belongs to {f'the project {other!r}' if other else 'nobody'}, not to {names[0]!r}",
            where=f"deployment {deployment}",
            hint="Hold it from the project that it belongs to." if other else "A deploy leaves it alone as it is.",
        )
