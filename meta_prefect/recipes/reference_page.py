"""Renders recipes as a Markdown reference page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from meta_prefect.recipes.describing import RecipeDescription, VariableDescription

_MIN_RECIPES_TO_SHARE = 2


def reference_lines(recipes: Sequence[RecipeDescription], *, level: int = 2) -> Iterator[str]:
    """Return the lines of a page: first the variables shared by all recipes, then each recipe with its own.

    Args:
        recipes: The recipes.
        level: The heading level.
    """
    heading = "#" * level
    common = (
        [one for one in recipes[0].variables if all(one in other.variables for other in recipes)] if recipes else []
    )
    shared = common if len(recipes) >= _MIN_RECIPES_TO_SHARE else []
    if shared:
        yield f"{heading} Variables of all recipes\n"
        yield from variable_lines(shared)
    for recipe in recipes:
        yield f"{heading} {recipe.name}\n\n{recipe.summary}\n"
        yield from variable_lines(one for one in recipe.variables if one not in shared)


def variable_lines(variables: Iterable[VariableDescription]) -> Iterator[str]:
    """Return the lines of a table of variables; none if there are no variables."""
    rows = [
        f"| `{one.name}` | {in_cell(one.type)} | {'required' if one.required else f'`{in_cell(one.default)}`'} "
        f"| {in_cell(one.help)} |"
        for one in variables
    ]
    yield from ("| variable | type | default | |", "|---|---|---|---|", *rows, "") if rows else ()


def in_cell(text: str) -> str:
    """Format a docstring's text for a table cell."""
    text = text.replace("``", "`")
    return " ".join(re.sub(r":\w+:(`\w+`)", r"\1", text).split()).replace("|", "\\|")
