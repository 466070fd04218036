"""Builders for additional pull steps that a worker performs before each run: Prefect's own or custom ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code.step_functions import Step, check_steps
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.pull_steps import (
    CODE_FOLDER,
    INSTALLS_REQUIREMENTS,
    RUNS_SCRIPT,
    PullStep,
    behind,
    fetches_code,
)
from meta_prefect.interfaces.short_forms import one_or_many

Steps = Annotated[tuple[Step, ...], BeforeValidator(one_or_many)]
"""Pull steps, as in the ``pull`` section of a ``prefect.yaml``; a single one may be written without a list."""


def _with_steps(deployment: Deployment, steps: list[PullStep], *, instead: bool = False) -> Deployment:
    """Add steps after those of an inner builder that fetch the code; otherwise use them as such, or after an outer builder's.

    Raises:
        ConfigurationError: A step is invalid, has unknown inputs or contains a secret; or two steps have the same id.
    """
    deployment.notes = [*deployment.notes, *check_steps(steps)]
    whole = not steps or any(map(fetches_code, steps))
    if whole or deployment.pull_steps:
        deployment.pull_steps = behind([] if whole and instead else deployment.pull_steps, steps)
    else:
        deployment.steps_after_code = [*deployment.steps_after_code, *steps]
    return deployment


class pull_steps(Builder):  # noqa: N801 - used like a function
    """Lets a worker take steps of Prefect before each run. They come behind those that bring the code.

    Where no inner builder has brought it, steps of which one does more than run scripts and install requirements are the whole
    of what a worker does, as the ``pull`` section of a ``prefect.yaml`` is: they bring the code themselves.

    Attributes:
        steps: The steps, each ``{"package.module.function": {input: value}}``. With an ``id`` the outputs of one can be referred
            to by those after it: ``{{ clone.directory }}``. A secret is a reference too: ``{{ prefect.blocks.secret.token }}``.
        instead: Whether such steps stand in the place of what inner builders have said, as no steps at all then do.
    """

    step: ClassVar[str] = "add pull steps"

    steps: Steps
    instead: bool = False

    def __init__(self, steps: Any = None, /, **data: Any) -> None:
        # The steps may be passed as a positional argument.
        super().__init__(**({} if steps is None else {"steps": steps}), **data)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Add the steps.

        Raises:
            ConfigurationError: A step is invalid, has unknown inputs or contains a secret; or two steps have the same id.
        """
        return _with_steps(deployment, [dict(step) for step in self.steps], instead=self.instead)


class pip_requirements(Builder):  # noqa: N801 - used like a function
    """Installs the packages of a requirements file with pip before each run, into the environment in which the run starts.

    Attributes:
        file: The file, from the project's folder.
    """

    step: ClassVar[str] = "install requirements"

    file: str = Field(default="requirements.txt", min_length=1)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Add the step, and note if the file does not exist here."""
        if "{{" not in self.file and not (Path(deployment.flow.source) / self.file).is_file():
            deployment.notes = [*deployment.notes, f"there is no {self.file} in the project's folder"]
        inputs = {"directory": CODE_FOLDER, "requirements_file": self.file}
        return _with_steps(deployment, [{INSTALLS_REQUIREMENTS: inputs}])


class shell_script(Builder):  # noqa: N801 - used like a function
    """Runs commands before each run, one a line. A command that fails ends the run before it has begun.

    Attributes:
        script: The commands.
        directory: Where they run; a relative path starts in the project's folder, as does None.
        env: Environment variables of the commands. A secret is a reference: ``{{ prefect.blocks.secret.token }}``.
        id: Under which name later steps may refer to its outputs ``stdout`` and ``stderr``.
        shell: Whether a shell runs each line, so that it may hold pipes and redirections.
    """

    step: ClassVar[str] = "run a script"

    script: str = Field(min_length=1)
    directory: str | None = Field(default=None, min_length=1)
    env: dict[str, str] = Field(default={})
    id: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w-]*$")
    shell: bool = False

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Add the step.

        Raises:
            ConfigurationError: It contains a secret, or an earlier step has the same id.
        """
        place = self.directory or ""
        inputs: dict[str, Any] = {
            "id": self.id,
            "script": self.script,
            "directory": place if place.startswith(("/", "~", "{{")) else f"{CODE_FOLDER}/{place}",
            "env": self.env,
            "shell": self.shell,
        }
        return _with_steps(deployment, [{RUNS_SCRIPT: {key: value for key, value in inputs.items() if value}}])
