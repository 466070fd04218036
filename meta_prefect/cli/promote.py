"""``meta-prefect promote``: deploys from one environment to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from meta_prefect.cli.completion import ENVIRONMENTS
from meta_prefect.cli.confirmation import confirm_changes, needs_confirmation
from meta_prefect.cli.options import Debug, DryRun, Form, PlanOptions, Target, Yes
from meta_prefect.cli.output import Output, report_of

if TYPE_CHECKING:
    from meta_prefect.report import Report


def promote(
    *targets: Target,
    source: Annotated[
        str, Parameter(name="--from", help="The environment of which is taken what is live.", completer=ENVIRONMENTS)
    ],
    to: Annotated[str, Parameter(help="The environment that gets it.", completer=ENVIRONMENTS)],
    yes: Yes = False,
    dry_run: DryRun = False,
    output: Form = "text",
    debug: Debug = False,
) -> int:
    """Deploy to one environment what is live and recorded in another: its commit, with the images that its runs use.

    What has drifted there, has not passed its smoke run, failed or comes from uncommitted changes is refused, each with its
    reason. The environment that gets it has its own variables, gates, approval and smoke runs. On a terminal, what goes to one
    with `protected: true` is shown and asked about first.

    Parameters
    ----------
    targets
        A path in the project (by default the present folder), and names of flows or of `flow/deployment`.
    """
    from meta_prefect.deploy import split_targets
    from meta_prefect.engine.promotion import read_promotion
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.project import read_project

    out = Output()
    path, names = split_targets(targets)
    project = read_project(path, required=False)
    asked: dict[str, Any] = {"source": source, "environment": to, "names": list(names), "path": str(path)}
    with out.watching("Looking", debug=debug):
        # If the project does not define where the environment is, it is on the server this command uses.
        asked["promotion"] = read_promotion(project, source)
    with server_of(project, to) as place:
        if place is not None:
            out.say(f"{project.name} in {to}: {place}")
        what = PlanOptions(env=to)
        if not (yes or dry_run) and needs_confirmation([str(path)], what):
            with out.watching("Planning", debug=debug):
                planned = _run(**asked, dry_run=True)
            if not confirm_changes(planned, [str(path)], what, out):
                out.say("Nothing was written.")
                return 1
        with out.watching("Promoting", debug=debug):
            report = report_of(lambda: _run(**asked, dry_run=dry_run))
    if dry_run:
        return out.plan(report, output)
    out.report(report, form=output)
    return 1 if report.failed else 0


def _run(**parameters: Any) -> Report:
    from deployer_flows import promote as flow
    from meta_prefect.server.access import run_flow

    return run_flow(lambda: cast("Any", flow)(**parameters), "nothing to promote")
