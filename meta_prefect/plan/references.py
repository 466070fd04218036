"""References to saved blocks and variables, which Prefect resolves in a run: ``{{ prefect.blocks.secret.token }}``.

A deploy checks that they exist, and never reads their values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment

# Prefect's own pattern of placeholders and their prefixes: prefect/utilities/templating.py.
PLACEHOLDER: Final = re.compile(r"\{\{\s*(?P<name>[\w\.\-\[\]$]+)\s*\}\}")
"""Prefect's syntax of templates in a text."""
_BLOCK: Final = "prefect.blocks."
_VARIABLE: Final = "prefect.variables."


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference and its location.

    Attributes:
        kind: The kind of object it refers to.
        name: The variable's name, or ``<block type>/<block name>``.
        place: Its path in the deployment: ``job_variables.env.TOKEN``.
    """

    kind: Literal["block", "variable"]
    name: str
    place: str

    @property
    def block_type(self) -> str:
        """The type of the block."""
        return self.name.partition("/")[0]

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


def references_of(deployment: Deployment, components: Iterable[Component] = ()) -> tuple[Reference, ...]:
    """Return the references in a deployment's job variables and pull steps, and in its components' job variables."""
    places: list[tuple[str, Any]] = [
        ("job_variables", deployment.job_variables),
        ("pull_steps", deployment.pull_steps),
        *(given for component in components for given in component.job_variables),
    ]
    return tuple(dict.fromkeys(one for place, value in places for one in _references(value, place)))


def texts_in(value: Any, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield each text in a JSON value with its path."""
    match value:
        case str():
            yield keys, value
        case dict():
            for key, inner in cast("dict[str, Any]", value).items():
                yield from texts_in(inner, (*keys, str(key)))
        case list():
            for index, inner in enumerate(cast("list[Any]", value)):
                yield from texts_in(inner, (*keys, index))
        case _:
            pass


def _references(value: Any, place: str) -> Iterator[Reference]:
    for keys, text in texts_in(value):
        way = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
        for placeholder in PLACEHOLDER.finditer(text):
            yield from _reference(placeholder["name"], f"{place}{way}")


def _reference(name: str, place: str) -> Iterator[Reference]:
    if name.startswith(_BLOCK):
        block_type, _, rest = name.removeprefix(_BLOCK).partition(".")
        # What follows the block's name is a path into its value.
        block_name = re.split(r"[.\[]", rest)[0]
        if block_name:
            yield Reference("block", f"{block_type}/{block_name}", place)
    elif name.startswith(_VARIABLE):
        yield Reference("variable", re.split(r"[.\[]", name.removeprefix(_VARIABLE))[0], place)


def missing_references(
    deployment: Deployment,
    blocks: Iterable[tuple[str, str]],
    variables: Iterable[str],
    components: Iterable[Component] = (),
) -> Iterator[ConfigurationError]:
    """Yield an error for each dangling reference, which Prefect would replace by nothing, or which would fail the run.

    Args:
        deployment: The deployment.
        blocks: The existing and future blocks: pairs of type and name.
        variables: The existing variables.
        components: The deployment's components.
    """
    known = {"block": {"/".join(pair) for pair in blocks}, "variable": set(variables)}
    hints = {
        "block": "Save it in the Prefect UI under Blocks; a deploy never reads what it holds.",
        "variable": "Set it with `prefect variable set`.",
    }
    for reference in references_of(deployment, components):
        if reference.name not in known[reference.kind]:
            close = nearest(reference.name, known[reference.kind])
            yield ConfigurationError(
                f"{reference.place} refers to the {reference}, and there is none",
                where=f"deployment {deployment.full_name}",
                hint=close if close.startswith("Did you mean") else hints[reference.kind],
            )
