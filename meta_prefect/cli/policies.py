"""``meta-prefect policies``: lists the policies in force and the available ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from meta_prefect.cli.output import Output
from meta_prefect.cli.recipes import ProjectPath

if TYPE_CHECKING:
    from meta_prefect.policies.describing import PolicyDescription


def policies(
    name: str | None = None,
    /,
    *,
    path: ProjectPath = Path(),
    output: Annotated[Literal["text", "json"], Parameter(help="How to print.")] = "text",
) -> int:
    """List the policies that this project's deployments are held to, and those that are built in; with a name, explain one.

    Parameters
    ----------
    name
        A policy.
    """
    from meta_prefect.engine.context import clock
    from meta_prefect.engine.policies import policies_in_force
    from meta_prefect.errors import PolicyError, ValidationFailed, nearest
    from meta_prefect.flows.catalog import ProjectFlows
    from meta_prefect.policies.describing import describe
    from meta_prefect.policies.registry import known_policies
    from meta_prefect.project import read_project

    project = read_project(path, required=False)
    found, errors = policies_in_force(project, ProjectFlows(project.root, from_source=True), None, clock())
    if errors:
        raise ValidationFailed(errors)
    known = known_policies(found.rules)
    if name is not None and name not in known:
        raise PolicyError(f"there is no policy {name!r}", where="policies", hint=nearest(name, known))
    chosen = [known[name]] if name is not None else sorted(known.values(), key=lambda one: one.name)
    described = [describe(one, found.rules) for one in chosen]
    out = Output()
    if output == "json":
        out.raw(json.dumps([one.model_dump() for one in described], indent=2, ensure_ascii=False))
    elif name is None:
        for one in described:
            out.raw(f"{one.name}: {one.summary} ({'; '.join(one.in_force) or 'off'})")
        for exemption in found.exemptions:
            out.raw(f"{exemption} ({exemption.where})")
    else:
        _explain(described[0], out)
    return 0


def _explain(one: PolicyDescription, out: Output) -> None:
    out.raw(f"{one.name}: {one.summary}\n{one.origin}, level {one.level}")
    if one.text:
        out.raw(f"\n{one.text}")
    if one.options:
        out.raw("\nOptions")
    for option in one.options:
        out.raw(f"  {option.name}: {'required' if option.required else f'default {option.default}'}")
        if option.help:
            out.raw(f"      {option.help}")
    needed = ", ".join(f"{option.name}: …" for option in one.options if option.required)
    item = f"{{policy: {one.name}, {needed}}}" if needed else one.name
    in_force = "\n  ".join(one.in_force) or f"nobody here; in the project file:\n  policies:\n    - {item}"
    out.raw(f"\nIn force by\n  {in_force}")
