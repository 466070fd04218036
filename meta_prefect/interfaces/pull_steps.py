"""What a worker does before a run: Prefect's pull steps, each an object with one key, the function's path, and its inputs.

A step may refer to what an earlier one has returned: ``{{ clone.directory }}`` to the output ``directory`` of the step whose
``id`` is ``clone``, and ``{{ directory }}`` to the last output of that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.json_diff import Record

PullStep = dict[str, Any]
"""One step: ``{"prefect.deployments.steps.git_clone": {"id": "clone", "repository": "…"}}``."""

CODE_FOLDER: Final = "{{ meta_prefect.code }}"
"""Stands, in steps that are put behind the code, for the folder in which the code will be."""

SETS_DIRECTORY: Final = "prefect.deployments.steps.set_working_directory"
RUNS_SCRIPT: Final = "prefect.deployments.steps.run_shell_script"
INSTALLS_REQUIREMENTS: Final = "prefect.deployments.steps.pip_install_requirements"
_CLONES: Final = ("git_clone", "agit_clone")


def parts(step: PullStep) -> tuple[str, Record]:
    """The function and the inputs of a step."""
    function, inputs = next(iter(step.items()))
    return function, dict(cast("Record | None", inputs) or {})


def brings_code(step: PullStep) -> bool:
    """Whether a step may bring the code, or lead to it: it does more than run a script or install requirements."""
    return step.keys().isdisjoint((RUNS_SCRIPT, INSTALLS_REQUIREMENTS))


def behind(steps: Sequence[PullStep], added: Sequence[PullStep]) -> list[PullStep]:
    """Put steps behind those that bring the code, and fill in where it is.

    Args:
        steps: Steps that bring the code.
        added: Further steps, in which :data:`CODE_FOLDER` stands for the code's folder.

    Raises:
        ConfigurationError: Two steps have one id.
    """
    folder = code_folder(steps)
    joined = [*steps, *(_in_folder(step, folder) for step in added)]
    _check_ids(joined)
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


def _check_ids(steps: Sequence[PullStep]) -> None:
    ids: list[str] = []
    for function, inputs in map(parts, steps):
        if (name := inputs.get("id")) in ids:
            hint = "Give one another id."
            raise ConfigurationError(f"two pull steps have the id {name!r}", hint=hint).is_about(
                function, "id", value=name
            )
        ids += [name] if isinstance(name, str) else []
