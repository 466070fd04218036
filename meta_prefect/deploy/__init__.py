"""The whole way of a deploy on one screen; also ``python -m meta_prefect.deploy``."""

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
    """What a deploy can be asked besides its targets, the project's environment apart: parameters of the flow ``deploy-project``.

    Attributes:
        dry_run: Plan, and write nothing. Starts no server: where there is none, everything is to be created.
        on_error: ``stop`` writes nothing while anything is wrong with the project; ``keep-going`` deploys what is sound;
            ``atomic`` puts back what has been written once something cannot be written.
        only_changed: Leave alone what differs in nothing but a version that counts deploys.
        bump: Let a version that counts deploys go up even where nothing else differs, though Prefect then creates the
            scheduled runs anew.
        adopt: Take over what has the same name and nobody manages: deployments, variables, blocks, limits.
        local_code: Let the code of deployments move from a shared source, such as Git, to the project's folder on this host, even
            though the project has a deployer.
        new_environment: The environment is a new one of the project, though nearly the name of another.
        expires: After what time the environment is taken down, such as ``3d``: a preview, in which what is created begins paused.
        prune: Delete the project's deployments in this environment that are no longer in it, after all else went well.
        max_deletes: Refuse to prune more; None means a fifth of the project's deployments, and at least 3.
        force: Prune without waiting for runs that are under way.
        plan: The id of the run whose recorded plan is applied exactly as it is; what to deploy is said there.
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
    """Which part of which project a deploy is about: the other parameters of the flow ``deploy-project``."""

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
        targets: A path in the project (by default the present folder), and names of flows or of ``flow/deployment``; without
            names, everything.
        env: The environment; by default META_PREFECT__ENV, else ``dev``.
        select: Patterns, of which a flow or ``flow/deployment`` must match one.
        build: Whether images are built; otherwise they are in their registries already, as with META_PREFECT__BUILD_IMAGES=false.
        local: Allow a server to be started on this host in CI, in containers and in flow runs too.
        auth: Whether a server that is started on this host asks for authentication. By default a new one does, and one that
            exists stays as it is.
        say: Called with each line that tells the user what happens on the way.
        options: See :class:`Options`.

    Returns:
        What happened to each deployment.

    Raises:
        ValidationFailed: Something is wrong with the project; nothing was written.
        MovedError: The recorded plan does not hold any more; nothing was written.
        DeployFailed: Some deployments could not be written; it carries the report.
        MetaPrefectError: Anything else that went wrong, for example that the server does not answer.
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
    # What a recorded plan is for stands in it.
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
    """Deploy, or plan, with the API that is in force, else with one on this host."""
    from meta_prefect.local.api import NO_API_HINT, reading_api, writing_api

    # For a project without deployments no server is started; one that is there tells what earlier deploys left on it.
    if not options.get("dry_run") and (is_project or options.get("prune")):
        # A server takes seconds to start, and stays: not for a project in which something is wrong.
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
    """Check a project as far as that goes without a server.

    Raises:
        ValidationFailed: Everything that is wrong with it.
    """
    path, names = split_targets(targets)
    return _offline({"path": str(path), "environment": env, "names": list(names), "select": []}, {})


def validate_sources(targets: Sequence[str] = (), *, env: str | None = None) -> SourcesChecked:
    """Check a project by its sources alone: none of its code runs, be it flows, recipes or settings for Prefect.

    Raises:
        ValidationFailed: Everything that is wrong with it.
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
    """Tell the path among targets from the names of flows.

    Raises:
        ValidationFailed: There are two paths, or something that looks like a path and is none.
    """
    from meta_prefect.project import is_path

    paths = [target for target in targets if is_path(target)]
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
    """Read the project file alone, which takes a tenth of the time of loading Prefect: most errors stand there.

    Raises:
        ValidationFailed: It is no project file, or there are two paths among the targets.
    """
    from meta_prefect.project import read_project

    read_project(split_targets(targets)[0], required=False)


@contextmanager
def _no_images() -> Generator[None]:
    """Say in the environment, where runs look, that no image is built."""
    before = os.environ.get(_BUILD_IMAGES)
    os.environ[_BUILD_IMAGES] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_BUILD_IMAGES]
        else:
            os.environ[_BUILD_IMAGES] = before
