"""Telling whoever looks at a run what it is about, once that is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.runtime import flow_run

from meta_prefect.errors import ServerError
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.tags import environment_tag, without_environment
from meta_prefect.server import PrefectServer
from meta_prefect.settings import read_settings
from meta_prefect.steps.this_run import deployment_name


def named_after_project(verb: str, towards: str = "to", *, dry_verb: str | None = None) -> Callable[[], str]:
    """What a run about a project is called from its start, until :func:`tell_run` knows more.

    Args:
        verb: What it does.
        towards: What stands before the environment.
        dry_verb: What it does where its parameter ``dry_run`` is set.
    """

    def run_name() -> str:
        parameters: dict[str, Any] = flow_run.get_parameters()
        # A deployer's deployment is named after its project.
        project = deployment_name() or Path(parameters.get("path") or ".").resolve().name
        does = dry_verb if dry_verb is not None and parameters.get("dry_run") else verb
        return f"{does} {project} {towards} {parameters.get('environment') or read_settings().env}"

    return run_name


def in_short(
    context: DeployContext, verb: str, towards: str = "to", *, among: Sequence[str] = (), more: str = ""
) -> str:
    """``deploy etl-machine to prod @1a2b3c4: load``; ``+dirty`` where files were changed since that commit.

    Args:
        context: The deploy.
        verb: What is done.
        towards: What stands before the environment.
        among: All environments that the run is about, where it is about several.
        more: What else tells this run from others.
    """
    told = f"{verb} {context.project} {towards} {', '.join(among) or context.environment}"
    commit = "" if context.commit is None else f" @{short_commit(context.commit)}"
    return f"{told}{commit}{f': {more}' if more else ''}"


async def tell_run(
    context: DeployContext,
    verb: str,
    server: PrefectServer,
    towards: str = "to",
    *,
    among: Sequence[str] = (),
    more: str = "",
) -> None:
    """Name the present run after what it does, and tag it with its project and environments; see :func:`in_short`."""
    name = in_short(context, verb, towards, among=among, more=more)
    await mark_run(context.project, among or [context.environment], server, name=name)


async def mark_run(
    project: str, environments: Sequence[str], server: PrefectServer, *, name: str | None = None
) -> None:
    """Tag the present run with its project and the environments that it is about, and name it.

    A run of a deployer comes with that one's tags, of which the environment is the deployer's own.
    """
    run_id = flow_run.get_id()
    if run_id is None:
        return
    others = without_environment(flow_run.get_tags())
    tags = list(dict.fromkeys((*others, f"project={project}", *map(environment_tag, environments))))
    try:
        await server.patch(f"/flow_runs/{run_id}", {"tags": tags, **({} if name is None else {"name": name})})
    except ServerError as error:
        get_run_logger().warning("the run could not be named: %s", error)
