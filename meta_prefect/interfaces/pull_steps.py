"""What a worker does before a run: Prefect's pull steps, each an object with one key, the function's path, and its inputs.

A step may refer to what an earlier one has returned: ``{{ clone.directory }}`` to the output ``directory`` of the step whose
``id`` is ``clone``, and ``{{ directory }}`` to the last output of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.interfaces.records import Record

PullStep = dict[str, Any]
"""One step: ``{"prefect.deployments.steps.git_clone": {"id": "clone", "repository": "…"}}``."""

CODE_FOLDER: Final = "{{ meta_prefect.code }}"
"""Stands, in steps that are put behind the code, for the folder in which the code will be."""

SETS_DIRECTORY: Final = "prefect.deployments.steps.set_working_directory"
_CLONES: Final = ("git_clone", "agit_clone")

# Prefect's own pattern of placeholders: prefect/utilities/templating.py.
_PLACEHOLDER: Final = re.compile(r"\{\{\s*(?P<name>[\w\.\-\[\]$]+)\s*\}\}")
_ELSEWHERE: Final = ("$", "prefect.blocks.", "prefect.variables.")


def parts(step: PullStep) -> tuple[str, Record]:
    """The function and the inputs of a step."""
    function, inputs = next(iter(step.items()))
    return function, dict(cast("Record | None", inputs) or {})


def behind(steps: Sequence[PullStep], added: Sequence[PullStep]) -> list[PullStep]:
    """Put steps behind those that bring the code, and fill in where it is.

    Args:
        steps: Steps that bring the code.
        added: Further steps, in which :data:`CODE_FOLDER` stands for the code's folder.

    Raises:
        ConfigurationError: A step refers to one that does not come before it, or two have one id.
    """
    folder = code_folder(steps)
    joined = [*steps, *(_in_folder(step, folder) for step in added)]
    check_references(joined)
    return joined


def code_folder(steps: Sequence[PullStep]) -> str | None:
    """Where the code is after some steps: a reference to their output; None where that is the working directory.

    ``git_clone`` leaves the working directory as it is; Prefect itself enters the clone after the last step.
    """
    for step in reversed(steps):
        function, inputs = parts(step)
        if function.rpartition(".")[2] in _CLONES:
            name = inputs.get("id")
            return "{{ " + f"{name}.directory" + " }}" if name else "{{ directory }}"
        if function == SETS_DIRECTORY:
            return None
    return None


def _in_folder(step: PullStep, folder: str | None) -> PullStep:
    function, inputs = parts(step)
    for key, value in inputs.copy().items():
        if isinstance(value, str) and value.startswith(CODE_FOLDER):
            below = value.removeprefix(CODE_FOLDER).strip("/")
            inputs[key] = "/".join(filter(None, (folder, below)))
            if not inputs[key]:
                del inputs[key]  # it starts there
    return {function: inputs}


def check_references(steps: Sequence[PullStep]) -> None:
    """Refuse references to outputs that there will not be: Prefect would put nothing in their place.

    Raises:
        ConfigurationError: A step refers to one that does not come before it, or two have one id.
    """
    ids: list[str] = []
    for position, step in enumerate(steps):
        function, inputs = parts(step)
        for keys, text in _texts(inputs, ()):
            for found in _PLACEHOLDER.finditer(text):
                name = found["name"]
                first = re.split(r"[.\[]", name)[0]
                if name.startswith(_ELSEWHERE) or first in ids or (first == name and position):
                    continue
                raise ConfigurationError(
                    f"{function} refers to {found[0]!r}, and no step before it has the id {first!r}",
                    hint=nearest(first, ids) or "Give that step an `id`, and let it come first.",
                ).is_about(function, *keys, value=text)
        match inputs.get("id"):
            case str(name) if name in ids:
                raise ConfigurationError(f"two steps have the id {name!r}", hint="Give one another id.").is_about(
                    function, "id", value=name
                )
            case str(name):
                ids.append(name)
            case _:
                pass


def _texts(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in a step's inputs, with the keys that lead to it."""
    match value:
        case str():
            yield keys, value
        case Mapping():
            for key, inner in cast("Mapping[str, Any]", value).items():
                yield from _texts(inner, (*keys, key))
        case list() | tuple():
            for inner in cast("Sequence[Any]", value):
                yield from _texts(inner, keys)
        case _:
            pass
