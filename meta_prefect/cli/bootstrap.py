"""``meta-prefect bootstrap``: deploys a project's deployer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from meta_prefect.cli.options import Debug, DryRun, Flag, Several, read_settings
from meta_prefect.cli.output import Output, report_of

if TYPE_CHECKING:
    from meta_prefect.project import Project
    from meta_prefect.report import Report

CommaSeparated = Annotated[str, Parameter(show_default=False)]


@Parameter(name="*", group=Group("From where the project comes", sort_key=1))
@dataclass(frozen=True, kw_only=True)
class Source:
    """The folder that the command is given, or a repository."""

    repository: Annotated[
        str | None,
        Parameter(help="The project's Git repository, instead of a folder of this host: https, ssh or file."),
    ] = None
    revision: Annotated[
        str | None, Parameter(help="The branch, tag or commit to deploy; by default the default branch.")
    ] = None
    allow: Annotated[
        Several, Parameter(help="Patterns of what a run may name instead, such as `release/*`; by default any.")
    ] = ()
    token: Annotated[str | None, Parameter(help="The saved block that opens the repository, such as `secret/git`.")] = (
        None
    )
    folder: Annotated[str, Parameter(help="The project's folder in the repository.", show_default=False)] = ""

    def of(self, path: Path) -> dict[str, Any]:
        """Return the source of a project.

        Args:
            path: The folder on this host, or a file in it, if no repository is given.

        Raises:
            TargetError: An option for repositories was given without one.
        """
        from meta_prefect.errors import TargetError
        from meta_prefect.project import read_project

        given = {name: value for name, value in asdict(self).items() if value}
        if self.repository is None:
            if given:
                raise TargetError(
                    f"{', '.join(f'--{name}' for name in given)}: a folder of this host has no branches",
                    where="bootstrap",
                    hint="Name the repository as well: --repository https://…",
                )
            return {"folder": str(read_project(path, required=False).root)}
        names = {"allow": "revisions", "folder": "subfolder"}
        return {names.get(name, name): value for name, value in given.items()}


@Parameter(name="*", group=Group("When it acts by itself", sort_key=2))
@dataclass(frozen=True, kw_only=True)
class Timetable:
    """The schedules of redeploys and of looking for drift."""

    redeploy: Annotated[
        str | None, Parameter(help="When to deploy again by itself: a cron expression or an rrule.")
    ] = None
    redeploy_in: Annotated[
        CommaSeparated, Parameter(help="In which environments, comma-separated; by default in all of them.")
    ] = ""
    check: Annotated[str | None, Parameter(help="When to look for drift: a cron expression or an rrule.")] = None
    on_drift: Annotated[Literal["report", "fail", "heal"], Parameter(help="What a drift leads to.")] = "report"
    watch: Annotated[Flag, Parameter(help="Look for drift after each change of a deployment, too.")] = False
    reap: Annotated[
        str | None,
        Parameter(
            help="When to take down previews that have expired: a cron expression or an rrule; by default every hour, where "
            "the project file describes an environment that expires."
        ),
    ] = None
    timezone: Annotated[str, Parameter(help="The time zone of these schedules, an IANA name.")] = "UTC"

    def given(self) -> dict[str, Any]:
        """Return the options in the form of the deployer's setup."""
        names = {"on_drift": "policy"}
        values = {names.get(name, name): value for name, value in asdict(self).items()}
        return {**values, "redeploy_in": _split(self.redeploy_in)}


@Parameter(name="*", group=Group("Where it runs", sort_key=3))
@dataclass(frozen=True, kw_only=True)
class Runs:
    """By which recipe the deployer's flows are deployed."""

    recipe: Annotated[str, Parameter(help="The recipe that says where the deployer runs.")] = "local_run_deployer"
    variables: Annotated[
        Several, Parameter(name="--set", help="A variable of that recipe, as `image=ghcr.io/team/deployer:7`.")
    ] = ()


@Parameter(name="*", group=Group("To what it holds the project", sort_key=4))
@dataclass(frozen=True, kw_only=True)
class Holds:
    """What the deployer asks of all deployments, whatever the project's own file says."""

    policies: Annotated[
        Several,
        Parameter(
            help="A policy, as in the project file's `policies`: `owner_named`, or `{policy: images_pinned, environments: "
            "[prod]}`. Its module is installed where the deployer runs."
        ),
    ] = ()
    exempt: Annotated[
        Several, Parameter(help="An exemption from one, as in the project file's `exempt`: only such ones count.")
    ] = ()

    def given(self) -> dict[str, Any]:
        """Return the options in the form of the deployer's setup.

        Raises:
            TargetError: An option is not valid YAML.
        """
        return {"policies": [_item(one) for one in self.policies], "exempt": [_item(one) for one in self.exempt]}


def bootstrap(
    path: Path = Path(),
    /,
    *,
    environments: Annotated[
        str | None,
        Parameter(
            help="The environments that may be chosen, comma-separated; the first one is filled in. By default those that the "
            "project file names, else dev,prod."
        ),
    ] = None,
    source: Source = Source(),
    timetable: Timetable = Timetable(),
    runs: Runs = Runs(),
    holds: Holds = Holds(),
    remove: Annotated[Flag, Parameter(help="Remove the deployer of this project.")] = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> int:
    """Make the deployer of a project: deployments that deploy it from the Prefect UI, on a schedule, and watch for drift.

    Where the project comes from is fixed here; a run chooses among the environments, and names a branch or commit. Doing it
    again changes only what differs. Where environments are on several servers, each server gets a deployer for its own.

    Parameters
    ----------
    path
        The project's folder, or a file in it.
    """
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.project import read_project

    out = Output()
    given: dict[str, Any] = {
        "source": source.of(path),
        "runs_by": runs.recipe,
        "variables": read_settings(runs.variables),
        **timetable.given(),
        "enforcement": holds.given(),
    }
    project = read_project(path, required=False)
    if timetable.reap is None and any(one.expires for one in project.environments.models.values()):
        given["reap"] = "@hourly"
    codes: list[int] = []
    groups = _by_server(project, None if environments is None else _split(environments))
    for names in groups:
        setup = _setup(**_for(names, groups, given))
        with out.watching("Bootstrapping", debug=debug), server_of(project, _any_of(project, names)) as place:
            if place is not None:
                out.say(f"{', '.join(names)}: {place}")
            report = report_of(partial(_run, setup, out, dry_run=dry_run, remove=remove))
        if dry_run:
            codes.append(out.plan(report, "text", following=False))
        else:
            out.report(report, following=False)
            codes.append(1 if report.failed else 0)
    return max(codes)


def _by_server(project: Project, asked: tuple[str, ...] | None) -> list[tuple[str, ...]]:
    """Group a deployer's environments by server."""
    groups: dict[tuple[str | None, str | None], tuple[str, ...]] = {}
    for name in asked or project.environments.names or ("dev", "prod"):
        found = project.environments.check(name)
        server = (found.says.profile, found.says.api_url) if found is not None else (None, None)
        groups[server] = (*groups.get(server, ()), name)
    return list(groups.values())


def _any_of(project: Project, names: tuple[str, ...]) -> str | None:
    return names[0] if project.environments else None


def _for(names: tuple[str, ...], groups: list[tuple[str, ...]], given: dict[str, Any]) -> dict[str, Any]:
    """Limit the options to the environments of one server; those that concern none are rejected later."""
    others = {one for group in groups if group != names for one in group}
    asked: tuple[str, ...] = given["redeploy_in"]
    here = tuple(one for one in asked if one not in others)
    redeploy = None if asked and not here else given["redeploy"]
    return {**given, "redeploy_in": here, "redeploy": redeploy, "environments": names}


def _run(setup: Any, out: Output, *, dry_run: bool, remove: bool) -> Report:
    from deployer_flows import bootstrap as flow
    from meta_prefect.local.api import writing_api
    from meta_prefect.server.access import run_flow, run_flow_on_current_api

    def start() -> Any:
        return flow(setup=setup, dry_run=dry_run, remove=remove)

    if dry_run or remove:
        return run_flow(start, "no deployer")
    with writing_api(local=False, say=out.say):
        return run_flow_on_current_api(start)


def _setup(**values: Any) -> Any:
    """Validate the options.

    Raises:
        ValidationFailed: All errors found.
    """
    from pydantic import ValidationError

    from deployer_flows.bootstrapping import DeployerSetup
    from meta_prefect.errors import ConfigurationError, TargetError, ValidationFailed, message_of

    try:
        return DeployerSetup.model_validate(values)
    except ValidationError as error:
        found: list[ConfigurationError] = [
            TargetError(message_of(one), where=f"bootstrap: {'.'.join(map(str, one['loc']))}") for one in error.errors()
        ]
        raise ValidationFailed(found) from None


def _item(text: str) -> object:
    import yaml

    from meta_prefect.errors import TargetError

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        hint = "Write it as in the project file: '{policy: NAME, OPTION: VALUE}'."
        raise TargetError(f"{text!r} cannot be read", where="bootstrap", hint=hint) from None


def _split(text: str) -> tuple[str, ...]:
    from meta_prefect.settings import split_tags

    return tuple(str(one) for one in split_tags(text))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportGeneralTypeIssues]
