"""``meta-prefect recipes`` and ``meta-prefect schema``: documents the entries of the project file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from meta_prefect.cli.completion import RECIPES
from meta_prefect.cli.output import Output

if TYPE_CHECKING:
    from meta_prefect.recipes.registry import Recipes

ProjectPath = Annotated[Path, Parameter(name="--path", help="A path in the project; by default the present folder.")]


def recipes(
    name: Annotated[str | None, Parameter(completer=RECIPES)] = None,
    /,
    *,
    path: ProjectPath = Path(),
    package: Annotated[
        str | None, Parameter(help="Only what this installed package offers, such as `acme-recipes`.")
    ] = None,
    output: Annotated[
        Literal["text", "json", "markdown"], Parameter(help="How to print; `markdown` makes a page of reference.")
    ] = "text",
) -> int:
    """List the recipes that this project can name; with a name, show one: its variables, an example, its builders.

    Parameters
    ----------
    name
        A recipe.
    """
    from meta_prefect.recipes.describing import describe
    from meta_prefect.recipes.reference_page import reference_lines

    out = Output()
    known, _ = _recipes(path)
    names = known.offered_by(package) if package else known.names
    found = [describe(known.find(one, where="recipes")) for one in ([name] if name else names)]
    if output == "markdown":
        out.raw("\n".join(reference_lines(found)))
    elif output == "json":
        out.raw(json.dumps([one.model_dump() for one in found], indent=2, ensure_ascii=False))
    elif name is None:
        for one in found:
            out.raw(f"{one.name}: {one.summary} ({one.origin})")
    else:
        (one,) = found
        out.raw(f"{one.name}: {one.summary}\n{one.origin}\n\nVariables")
        for variable in one.variables:
            need = "required" if variable.required else f"default {variable.default}"
            out.raw(f"  {variable.name}: {variable.type}, {need}")
            if variable.help:
                out.raw(f"      {variable.help}")
        steps = " | ".join(one.builders) or "depend on the values of the variables"
        out.raw(f"\nBuilders\n  {steps}\n\nIn the project file\n{one.example}")
    return 0


def schema(*, path: ProjectPath = Path()) -> int:
    """Print the JSON schema of this project's file, or of that of a part, its recipes' variables included, for editors."""
    from meta_prefect.recipes.describing import project_schema

    known, of_part = _recipes(path)
    Output().raw(json.dumps(project_schema(known.all(), of_part=of_part), indent=2))
    return 0


def _recipes(path: Path) -> tuple[Recipes, bool]:
    """Return the recipes available to the project file that applies to a path, and whether that file is an included one."""
    from meta_prefect.engine.requests import recipes_of
    from meta_prefect.flows.catalog import ProjectFlows
    from meta_prefect.project import read_project

    project = read_project(path, required=False)
    flows = ProjectFlows(project.root, from_source=True)
    shared = recipes_of(project, flows)
    if project.chosen is None:
        return shared, False
    return recipes_of(project.chosen, flows, shared), True
