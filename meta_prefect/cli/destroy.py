"""``meta-prefect destroy``: removes an environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from meta_prefect.cli.completion import ENVIRONMENTS
from meta_prefect.cli.confirmation import is_terminal_interactive
from meta_prefect.cli.options import Debug, DryRun, Flag, Yes
from meta_prefect.cli.output import Output, report_of
from meta_prefect.errors import TargetError

if TYPE_CHECKING:
    from meta_prefect.report import Report


def destroy(
    path: Path = Path(),
    /,
    *,
    env: Annotated[str, Parameter(name=["--env", "-e"], help="The environment.", completer=ENVIRONMENTS)],
    yes: Yes = False,
    force: Annotated[Flag, Parameter(help="Do not wait for runs that are under way.")] = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Take down an environment: delete all that the project has deployed there, with what only that used.

    What is to go is shown first, and asked about on a terminal; elsewhere `--yes` has to be given. An environment that the
    project file names is protected unless it says `protected: false`, and what is held stays.

    Parameters
    ----------
    path
        The project's folder, or a file in it.
    """
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.project import read_project

    out = Output()
    project = read_project(path, required=False)
    with server_of(project, env if project.environments.find(env) else None) as place:
        with out.watching("Planning", debug=debug):
            planned = _run(path, env, dry_run=True)
        out.plan(planned, "text", following=False)
        if dry_run:
            return 2
        if not yes and not is_terminal_interactive():
            raise TargetError("nobody is there to be asked; nothing was deleted", where="destroy", hint="Give --yes.")
        if not yes and not out.confirm(f"Take down {env}{f' on {place}' if place else ''}?"):
            out.say("Nothing was deleted.")
            return 1
        with out.watching("Destroying", debug=debug):
            report = report_of(lambda: _run(path, env, dry_run=False, force=force))
    out.report(report, following=False)
    return 1 if report.failed else 0


def _run(path: Path, env: str, **parameters: Any) -> Report:
    from deployer_flows import destroy as flow
    from meta_prefect.server.access import run_flow

    return run_flow(lambda: cast("Any", flow)(path=str(path), environment=env, **parameters), "nothing to take down")
