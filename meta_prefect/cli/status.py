"""``meta-prefect status``: compares a project with the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from meta_prefect.cli.options import Debug, Environment, Every, Quiet, Select, Target
from meta_prefect.cli.output import FEW, Output
from meta_prefect.texts import escaped

if TYPE_CHECKING:
    from meta_prefect.plan.status import DeploymentStatus, FieldStatus, ProjectStatus
    from meta_prefect.server import PrefectServer

_COLORS = {
    "in sync": "green",
    "drifted": "bold red",
    "outdated": "yellow",
    "missing": "bold red",
    "not deployed": "yellow",
    "unmanaged": "magenta",
    "orphan": "magenta",
    "held": "magenta",
    "leaving": "magenta",
    "offline": "bold red",
}


def status(
    *targets: Target,
    env: Environment = None,
    select: Select = (),
    every: Every = False,
    quiet: Quiet = False,
    output: Annotated[Literal["text", "json"], Parameter(help="How to print.")] = "text",
    debug: Debug = False,
) -> int:
    """Compare what the last deploy applied, what is live, and what the project wants, field by field; writes nothing.

    Exits with 0 where everything is in sync or held, 2 where something is not, 3 where it is, but runs would not start as no
    worker is online, and 1 where something is wrong.

    Parameters
    ----------
    targets
        A path in the project (by default the present folder), and names of flows or of `flow/deployment`.
    """
    from meta_prefect.deploy import read_file_of

    read_file_of(targets)
    out = Output(quiet=quiet)
    with out.watching("Comparing", debug=debug):
        found = _read(targets, env, select)
    if output == "json":
        out.raw(found.as_json())
    else:
        if not quiet:
            _print_details(found, out, every=every)
        out.raw(found.in_one_line)
    for remark in found.remarks:
        out.say(f"note: {remark}")
    return 2 if not found.in_sync else 0 if found.can_run else 3


def _print_details(found: ProjectStatus, out: Output, *, every: bool) -> None:
    in_sync = [one for one in found.deployments if one.state == "in sync" and not one.fields]
    counted = [] if every or len(in_sync) <= FEW else in_sync
    for one in found.deployments:
        if one in counted:
            continue
        out.raw(escaped(_line(one)), style=_COLORS[one.state])
        for field in one.fields:
            out.raw(escaped(f"    {_field_line(field)}"))
    for one in found.components:
        if one.state != "in sync":
            out.raw(escaped(f"{one.state}: {one}"), style=_COLORS[one.state])
            for line in (*map(_field_line, one.fields), *one.remarks):
                out.raw(escaped(f"    {line}"))
    if counted:
        out.raw(f"in sync: {len(counted)} deployments (--all names them)", style="dim")


def _read(targets: tuple[str, ...], env: str | None, select: tuple[str, ...]) -> ProjectStatus:
    from meta_prefect.deploy import split_targets
    from meta_prefect.engine.plan_input import read_plan_input
    from meta_prefect.engine.status import project_status
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.local.host import LocalHost
    from meta_prefect.plan.saved_plan import DeployOptions
    from meta_prefect.project import read_project
    from meta_prefect.server.access import query_api
    from meta_prefect.settings import read_settings

    path, names = split_targets(targets)
    asked = DeployOptions(names=names, select=tuple(select))
    project = read_project(path, required=False)

    async def read(server: PrefectServer) -> ProjectStatus:
        return await project_status(read_plan_input(project, path, env, asked), server)

    host = LocalHost(start_worker=read_settings().start_worker)
    with server_of(project, env):
        return query_api(read, "nothing to compare with", host=host)


def _line(one: DeploymentStatus) -> str:
    version = f" version {one.version}" if one.version else ""
    applied = f", deployed {one.applied_at:%Y-%m-%d %H:%MZ} by {one.applied_by}" if one.applied_at else ""
    return f"{one.state}: {one.deployment}{version}{applied}{f'; {one.hold}' if one.hold else ''}"


def _field_line(field: FieldStatus) -> str:
    from meta_prefect.report.plan_text import field_line, shown

    if field.kind == "pending" and {"live", "wanted"} <= field.model_fields_set and field.live == field.applied:
        return f"{field_line(field.path, field.live, field.wanted)} (pending)"
    given = {
        name: shown(getattr(field, name), field.path)
        for name in ("applied", "live", "wanted")
        if name in field.model_fields_set
    }
    if field.kind == "kept":
        return f"{field.path}: {given['live']} (kept: set on the server, not by the recipe)"
    values = ", ".join(f"{name} {given.get(name, '(none)')}" for name in ("applied", "live", "wanted"))
    return f"{field.path}: {values} ({field.kind})"
