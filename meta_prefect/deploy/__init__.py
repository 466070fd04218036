"""Deploying from Python: ``deploy()`` and ``validate()``; also ``python -m meta_prefect.deploy``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypedDict, Unpack

from meta_prefect.errors import NoApiConfiguredError, TargetError, ValidationFailed

if TYPE_CHECKING:
    from meta_prefect.engine.sources import SourcesChecked
    from meta_prefect.report import Report

__all__ = ["OnError", "Options", "deploy", "validate", "validate_sources"]

OnError = Literal["stop", "keep-going", "atomic"]
_BUILD_IMAGES: Final = "META_PREFECT__BUILD_IMAGES"


class Options(TypedDict, total=False):
    """The options of a deploy other than project, environment and selection: parameters of the flow ``deploy-project``.

    Attributes:
        dry_run: Plan, and write nothing. Starts no server: without one, everything is to be created.
        on_error: ``stop`` writes nothing if there is any error in the project; ``keep-going`` deploys what is valid;
            ``atomic`` restores what was written if something cannot be written.
        only_changed: Do not write deployments whose only difference is a counted version.
        bump: Increment a counted version even if nothing else differs, although Prefect then recreates the scheduled runs.
        adopt: Take over unmanaged objects of the same name: deployments, variables, blocks, limits.
        local_code: Let the code of deployments move from a shared source, such as Git, to the project's folder on this host,
            even though the project has a deployer.
        new_environment: Confirm that the environment is new, although its name resembles another one.
        expires: After what time the environment is destroyed, such as ``3d``: it is a preview, in which new deployments start
            paused.
        prune: Delete the project's deployments in this environment that are no longer in it, once everything else has
            succeeded.
        max_deletes: Refuse to prune more; None for a fifth of the project's deployments, and at least 3.
        force: Prune without waiting for active runs.
        plan: The id of the run whose saved plan is applied exactly as it is, including its selection.
    """

    dry_run: bool
    on_error: OnError
    only_changed: bool
    bump: bool
    adopt: bool
    local_code: bool
    new_environment: bool
    expires: str | None
    prune: bool
    max_deletes: int | None
    force: bool
    plan: str | None


class Parameters(TypedDict):
    """The remaining parameters of the flow ``deploy-project``: the project, the environment and the selection."""

    path: str
    environment: str | None
    names: list[str]
    select: list[str]


def deploy(
    targets: Sequence[str] = (),
    *,
    env: str | None = None,
    select: Sequence[str] = (),
    build: bool = True,
    local: bool = False,
    auth: bool | None = None,
    say: Callable[[str], None] = lambda _: None,
    **options: Unpack[Options],
) -> Report:
    """Deploy a project, as a run of the flow ``deploy-project``.

    Args:
        targets: A path in the project (by default the current folder), and names of flows or of ``flow/deployment``; without
            names, everything.
        env: The environment; defaults to META_PREFECT__ENV, or ``dev``.
        select: Patterns, one of which a flow or ``flow/deployment`` must match.
        build: Whether to build images; if not, they must already be in their registries, as with
            META_PREFECT__BUILD_IMAGES=false.
        local: Allow starting a server on this host even in CI, in containers and in flow runs.
        auth: Whether a server started on this host requires authentication. By default, a new one does and an existing one
            keeps its setting.
        say: Called with each progress message for the user.
        options: See :class:`Options`.

    Returns:
        The outcome for each deployment.

    Raises:
        ValidationFailed: The project is invalid; nothing was written.
        MovedError: The saved plan is no longer valid; nothing was written.
        DeployFailed: Some deployments could not be written; it carries the report.
        MetaPrefectError: Any other failure, such as a server that does not respond.
    """
    from meta_prefect.engine.gates import check_gates
    from meta_prefect.engine.requests import check_before_start
    from meta_prefect.local.environment_server import server_of
    from meta_prefect.project import read_project
    from meta_prefect.settings import read_settings

    path, names = split_targets(targets)
    asked: Parameters = {"path": str(path), "environment": env, "names": list(names), "select": list(select)}
    if unknown := options.keys() - Options.__annotations__.keys():
        raise TypeError(f"deploy() has no option {', '.join(sorted(unknown))}")
    is_project = check_before_start(path)
    project = read_project(path, required=False)
    environment = env or read_settings().env
    # A saved plan contains its own environment.
    if project.environments and options.get("plan") is None and not options.get("dry_run"):
        check_gates(project, environment)
    with server_of(project, env) as place:
        if place is not None:
            say(f"{project.name} in {environment}: {place}")
        return _there(asked, options, is_project=is_project, build=build, local=local, auth=auth, say=say)


def _there(
    asked: Parameters,
    options: Options,
    *,
    is_project: bool,
    build: bool,
    local: bool,
    auth: bool | None,
    say: Callable[[str], None],
) -> Report:
    """Deploy or plan with the API in use, or otherwise with a server on this host."""
    from meta_prefect.local.api import NO_API_HINT, reading_api, writing_api

    # For a project without deployments no server is started; a running one knows what earlier deploys left on it.
    if not options.get("dry_run") and (is_project or options.get("prune")):
        # A server takes seconds to start, and keeps running: not for an invalid project.
        is_checked = options.get("plan") is None and options.get("on_error") != "keep-going"
        with writing_api(local=local, auth=auth, say=say, check=lambda: is_checked and _offline(asked, options)):
            return _observed(asked, options, build=build)
    with reading_api() as api:
        if api is not None:
            return _observed(asked, options, build=build)
        if (plan := options.get("plan")) is not None:
            raise NoApiConfiguredError(f"the plan of run {plan} is nowhere without a Prefect API", hint=NO_API_HINT)
        return _offline(asked, options)


def validate(targets: Sequence[str] = (), *, env: str | None = None) -> Report:
    """Check a project as far as possible without a server.

    Raises:
        ValidationFailed: All errors found.
    """
    path, names = split_targets(targets)
    return _offline({"path": str(path), "environment": env, "names": list(names), "select": []}, {})


def validate_sources(targets: Sequence[str] = (), *, env: str | None = None) -> SourcesChecked:
    """Check a project by its sources alone: none of its code is run, neither flows, recipes nor Prefect settings.

    Raises:
        ValidationFailed: All errors found.
    """
    from meta_prefect.engine.selection import Selection
    from meta_prefect.engine.sources import check_sources
    from meta_prefect.settings import read_settings

    path, names = split_targets(targets)
    return check_sources(path, env or read_settings().env, Selection(names=names).names_flow)


def _offline(asked: Parameters, options: Options) -> Report:
    from meta_prefect.engine.offline import plan_offline
    from meta_prefect.engine.plan_input import read_expiry
    from meta_prefect.plan.saved_plan import DeployOptions

    plan_options = DeployOptions(
        names=tuple(asked["names"]),
        select=tuple(asked["select"]),
        adopt=options.get("adopt", False),
        prune=options.get("prune", False),
        expires=read_expiry(options.get("expires")),
    )
    keep_going = options.get("on_error") == "keep-going"
    return asyncio.run(plan_offline(Path(asked["path"]), asked["environment"], plan_options, keep_going=keep_going))


def _observed(asked: Parameters, options: Options, *, build: bool) -> Report:
    from deployer_flows import deploy_project
    from meta_prefect.local.host import LocalHost
    from meta_prefect.server import connect, server_errors

    async def run() -> Report:
        async with connect(LocalHost()) as server:
            await server.check()
            return await deploy_project(**asked, **options)

    with server_errors(), nullcontext() if build else _no_images():
        return asyncio.run(run())


def split_targets(targets: Sequence[str]) -> tuple[Path, tuple[str, ...]]:
    """Separate the path from the names of flows among the targets.

    Raises:
        ValidationFailed: There are two paths, or something that looks like a path does not exist.
    """
    from meta_prefect.project import path_exists

    paths = [target for target in targets if path_exists(target)]
    names = tuple(target for target in targets if target not in paths)
    errors = [
        TargetError(f"there is no file or folder {name!r}", hint="Give a path, a flow's name or `flow/deployment`.")
        for name in names
        if name.startswith((".", "/", "~")) or name.endswith((".py", ".yaml", ".yml"))
    ]
    if len(paths) > 1:
        errors.append(TargetError(f"{' and '.join(paths)} are two paths", hint="Deploy one project at a time."))
    if errors:
        raise ValidationFailed(errors)
    return Path(paths[0] if paths else "."), names


def read_file_of(targets: Sequence[str]) -> None:
    """Read only the project file, in a tenth of the time it takes to load Prefect: most errors are there.

    Raises:
        ValidationFailed: The project file is invalid, or the targets contain two paths.
    """
    from meta_prefect.project import read_project

    read_project(split_targets(targets)[0], required=False)


@contextmanager
def _no_images() -> Generator[None]:
    """Disable image builds through the environment variable that runs read."""
    before = os.environ.get(_BUILD_IMAGES)
    os.environ[_BUILD_IMAGES] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_BUILD_IMAGES]
        else:
            os.environ[_BUILD_IMAGES] = before
