"""``meta-prefect bootstrap``: the deployer in the Prefect UI, on a schedule, and watching."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from meta_prefect.cli.output import Output

if TYPE_CHECKING:
    from meta_prefect.report import Report

Policy = Literal["report", "fail", "heal"]


def bootstrap(
    path: Path = Path(),
    /,
    *,
    repository: Annotated[
        str | None,
        Parameter(help="The project's Git repository, instead of a folder of this host: https, ssh or file."),
    ] = None,
    revision: Annotated[
        str | None, Parameter(help="The branch, tag or whole commit hash to deploy; by default the default branch.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        Parameter(negative="", help="Patterns of what a run may name instead, such as `release/*`; by default any."),
    ] = None,
    token: Annotated[
        str | None, Parameter(help="The saved block that opens the repository, such as `secret/git`.")
    ] = None,
    folder: Annotated[str, Parameter(help="The project's folder in the repository.")] = "",
    environments: Annotated[
        str, Parameter(help="The environments that may be chosen, comma-separated; the first one is filled in.")
    ] = "dev,prod",
    redeploy: Annotated[
        str | None, Parameter(help="When to deploy again by itself: a cron expression or an rrule.")
    ] = None,
    redeploy_in: Annotated[
        str, Parameter(help="In which environments, comma-separated; by default in all of them.")
    ] = "",
    check: Annotated[str | None, Parameter(help="When to look for drift: a cron expression or an rrule.")] = None,
    on_drift: Annotated[Policy, Parameter(help="What a drift leads to.")] = "report",
    watch: Annotated[
        bool, Parameter(negative="", help="Look for drift after each change of a deployment, too.")
    ] = False,
    timezone: Annotated[str, Parameter(help="The time zone of both schedules, an IANA name.")] = "UTC",
    recipe: Annotated[str, Parameter(help="The recipe that says where the deployer runs.")] = "local_run_deployer",
    variables: Annotated[
        list[str] | None,
        Parameter(name="--set", negative="", help="A variable of that recipe, as `image=ghcr.io/team/deployer:7`."),
    ] = None,
    remove: Annotated[bool, Parameter(negative="", help="Remove the deployer of this project.")] = False,
    dry_run: Annotated[bool, Parameter(negative="", help="Plan, and write nothing.")] = False,
    debug: Annotated[bool, Parameter(negative="", help="Show Prefect's own log, and tracebacks.")] = False,
) -> int:
    """Make the deployer of a project: deployments that deploy it from the Prefect UI, on a schedule, and watch for drift.

    Where the project comes from is fixed here; a run chooses among the environments, and names a branch or commit. Doing it
    again changes only what differs.

    Parameters
    ----------
    path
        The project's folder, or a file in it.
    """
    from meta_prefect.errors import DeployFailed

    out = Output()
    setup = _setup(
        source=_source(path, repository, revision, allow, token, folder),
        environments=_split(environments),
        redeploy=redeploy,
        redeploy_in=_split(redeploy_in),
        check=check,
        policy=on_drift,
        watch=watch,
        timezone=timezone,
        runs_by=recipe,
        variables=_variables(variables or ()),
    )
    with out.watching("Bootstrapping", debug=debug):
        try:
            report = _run(setup, out, dry_run=dry_run, remove=remove)
        except DeployFailed as failure:
            from meta_prefect.report import Report

            if not isinstance(failure.report, Report):
                raise
            report = failure.report
    if dry_run:
        out.plan(report, "text", following=False)
        return 2 if report.plan is not None and report.plan.has_changes else 0
    out.report(report, following=False)
    return 1 if report.failed else 0


def _run(setup: Any, out: Output, *, dry_run: bool, remove: bool) -> Report:
    from deployer_flows import bootstrap as flow
    from meta_prefect.errors import NoApiConfiguredError
    from meta_prefect.local.api import MEND, reading_api, writing_api
    from meta_prefect.local.host import LocalHost
    from meta_prefect.server import connect, server_errors

    async def run() -> Report:
        async with connect(LocalHost()) as server:
            await server.check()
        return await flow(setup=setup, dry_run=dry_run, remove=remove)

    if not (dry_run or remove):
        with writing_api(local=False, auth=False, say=out.say), server_errors():
            return asyncio.run(run())
    with reading_api() as api, server_errors():
        if not api:
            raise NoApiConfiguredError("there is no Prefect API configured, so no deployer", hint=MEND)
        return asyncio.run(run())


def _source(
    path: Path, repository: str | None, revision: str | None, allow: list[str] | None, token: str | None, folder: str
) -> dict[str, Any]:
    from meta_prefect.errors import TargetError
    from meta_prefect.project import read_project

    if repository is None:
        asked = {"--revision": revision, "--allow": allow, "--token": token, "--folder": folder}
        if given := [name for name, value in asked.items() if value]:
            raise TargetError(
                f"{', '.join(given)}: a folder of this host has no branches",
                where="bootstrap",
                hint="Name the repository as well: --repository https://…",
            )
        return {"folder": str(read_project(path, required=False).root)}
    source: dict[str, Any] = {"repository": repository, "subfolder": folder}
    if allow is not None:
        source["revisions"] = tuple(allow)
    return source | {key: value for key, value in (("revision", revision), ("token", token)) if value is not None}


def _setup(**values: Any) -> Any:
    """Check what was given.

    Raises:
        ValidationFailed: Everything that is wrong with it.
    """
    from pydantic import ValidationError

    from deployer_flows.bootstrapping import DeployerSetup
    from meta_prefect.errors import ConfigurationError, TargetError, ValidationFailed

    try:
        return DeployerSetup.model_validate(values)
    except ValidationError as error:
        found: list[ConfigurationError] = [
            TargetError(one["msg"].removeprefix("Value error, "), where=f"bootstrap: {'.'.join(map(str, one['loc']))}")
            for one in error.errors()
        ]
        raise ValidationFailed(found) from None


def _split(text: str) -> tuple[str, ...]:
    from meta_prefect.settings import split_tags

    return tuple(str(one) for one in split_tags(text))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportGeneralTypeIssues]


def _variables(given: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Read ``name=value``; a value that is JSON is taken as such, anything else as text.

    Raises:
        TargetError: There is no ``=``.
    """
    from meta_prefect.errors import TargetError

    variables: dict[str, Any] = {}
    for text in given:
        name, mark, value = text.partition("=")
        if not mark:
            raise TargetError(f"{text!r} sets nothing", where="--set", hint="Write it as `--set name=value`.")
        try:
            variables[name] = json.loads(value)
        except ValueError:
            variables[name] = value
    return variables
