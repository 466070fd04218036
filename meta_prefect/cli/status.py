"""``meta-prefect status``: compares a project with the server."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from meta_prefect.cli.options import Debug, Environment, Every, Quiet, Select, Target
from meta_prefect.cli.output import FEW, Output

if TYPE_CHECKING:
    from meta_prefect.plan.status import DeploymentStatus, FieldStatus, ProjectStatus
    from meta_prefect.report.grouping import Line, Section
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
        if not (quiet or found.in_sync):
            out.raw(f"Next: meta-prefect plan{f' --env {shlex.quote(env)}' if env else ''}")
    for remark in found.remarks:
        out.say(f"note: {remark}")
    return 2 if not found.in_sync else 0 if found.can_run else 3


def _print_details(found: ProjectStatus, out: Output, *, every: bool) -> None:
    from meta_prefect.report.grouping import Section, grouped

    in_sync = [one for one in found.deployments if one.state == "in sync" and not one.fields]
    counted = [] if every or len(in_sync) <= FEW else in_sync
    shown = [one for one in found.deployments if one not in counted]
    sections = grouped(map(_section, shown), out.width) if len(shown) > FEW and not every else map(_section, shown)
    for section in sections:
        out.section(section, _COLORS[section.mark.rstrip(":")])
    for one in found.components:
        if one.state != "in sync":
            lines = (*_field_lines(one.fields), *one.remarks)
            out.section(Section(f"{one.state}:", one.kind, one.name, str(one), lines=lines), _COLORS[one.state])
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


def _section(one: DeploymentStatus) -> Section:
    """What is said of one deployment."""
    from meta_prefect.plan.changes import DEPLOYMENT
    from meta_prefect.report.grouping import Section

    version = f" version {one.version}" if one.version else ""
    applied = f", deployed {one.applied_at:%Y-%m-%d %H:%MZ} by {one.applied_by}" if one.applied_at else ""
    title = f"{one.deployment}{version}{applied}{f'; {one.hold}' if one.hold else ''}"
    return Section(f"{one.state}:", DEPLOYMENT, one.deployment, title, lines=tuple(_field_lines(one.fields)))


def _field_lines(fields: Iterable[FieldStatus]) -> Iterator[Line]:
    """What differs; first what the next deploy writes and nobody else has touched, as a plan says it."""
    from meta_prefect.report.plan_text import changed_lines, shown
    from meta_prefect.report.schedule_fields import Field

    pending = [one for one in fields if _is_pending(one)]
    yield from changed_lines((Field(one.path, one.live, one.wanted) for one in pending), " (pending)")
    for field in fields:
        if field in pending:
            continue
        given = {
            name: shown(getattr(field, name), field.path)
            for name in ("applied", "live", "wanted")
            if name in field.model_fields_set
        }
        if field.kind == "kept":
            yield f"{field.path}: {given['live']} (kept: set on the server, not by the recipe)"
        else:
            values = ", ".join(f"{name} {given.get(name, '(none)')}" for name in ("applied", "live", "wanted"))
            yield f"{field.path}: {values} ({field.kind})"


def _is_pending(field: FieldStatus) -> bool:
    return field.kind == "pending" and {"live", "wanted"} <= field.model_fields_set and field.live == field.applied
