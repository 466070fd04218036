"""Prefect's pull steps, which a worker performs before a run: objects with one key, the function's path, and its inputs.

A step may refer to an earlier one's output: ``{{ clone.directory }}`` is the output ``directory`` of the step whose ``id`` is
``clone``, and ``{{ directory }}`` the latest output of that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.json_diff import Record

PullStep = dict[str, Any]
"""One step: ``{"prefect.deployments.steps.git_clone": {"id": "clone", "repository": "…"}}``."""

CODE_FOLDER: Final = "{{ meta_prefect.code }}"
"""Placeholder for the code's folder in steps that run after the code was fetched."""

SETS_DIRECTORY: Final = "prefect.deployments.steps.set_working_directory"
RUNS_SCRIPT: Final = "prefect.deployments.steps.run_shell_script"
INSTALLS_REQUIREMENTS: Final = "prefect.deployments.steps.pip_install_requirements"
_CLONES: Final = ("git_clone", "agit_clone")


def parts(step: PullStep) -> tuple[str, Record]:
    """Return the function and the inputs of a step."""
    function, inputs = next(iter(step.items()))
    return function, dict(cast("Record | None", inputs) or {})


def fetches_code(step: PullStep) -> bool:
    """Return whether a step may fetch the code or change to it: it does more than run a script or install requirements."""
    return step.keys().isdisjoint((RUNS_SCRIPT, INSTALLS_REQUIREMENTS))


def behind(steps: Sequence[PullStep], added: Sequence[PullStep]) -> list[PullStep]:
    """Append steps to those that fetch the code, and fill in the code's folder.

    Args:
        steps: Steps that fetch the code.
        added: Further steps, in which :data:`CODE_FOLDER` stands for the code's folder.

    Raises:
        ConfigurationError: Two steps have the same id.
    """
    folder = code_folder(steps)
    joined = [*steps, *(_in_folder(step, folder) for step in added)]
    _check_ids(joined)
    return joined


def code_folder(steps: Sequence[PullStep]) -> str | None:
    """Return where the code is after some steps, as a reference to their output; None if that is the working directory.

    ``git_clone`` does not change the working directory; Prefect itself enters the clone after the last step.
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
                del inputs[key]  # the default
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
