"""A deployment as builders see and change it."""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar, Literal, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.names import check_name
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.interfaces.smoke import Smoke
from meta_prefect.texts import check_plain

__all__ = ["Allowed", "Deployment", "FlowFacts", "VersionRule"]

_CONTAINERS = ("tags", "parameters", "pull_steps", "steps_after_code", "job_variables", "pool_defaults", "notes")


class VersionRule(Enum):
    """A version that can be computed only after reading the live deployment."""

    NEXT_INTEGER = "next integer"
    """The live version plus one, on every deploy."""
    NEXT_ON_CHANGE = "next integer on change"
    """The live version plus one, if anything else differs."""


class FlowFacts(BaseModel):
    """The facts about the flow that a deployment runs.

    Attributes:
        name: The flow's name.
        entrypoint: Its entrypoint relative to the project's folder: ``path.py:function`` or ``package.module.function``.
        source: The project's folder on the deploying host.
        description: The flow's docstring.
        version: The flow's own version as Prefect determines it: from its decorator, else the MD5 of its file.
        parameter_schema: The JSON schema of the flow's parameters.
        tags: The flow's own tags.
        module: The dotted name of its module, if it could be loaded.
        file: Its file, if known.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str
    entrypoint: str
    source: str
    description: str | None = None
    version: str | None = None
    parameter_schema: dict[str, Any] = {}
    tags: tuple[str, ...] = ()
    module: str | None = None
    file: str | None = None


Allowed = Literal["unknown_job_variables", "unknown_parameters"]
"""Problems that Prefect ignores or finds late, and that fail a deploy unless explicitly allowed."""


class Deployment(BaseModel):
    """A deployment being built by a chain of builders. Each builder gets a private copy, which it may change or replace.

    A field that stays None (unless documented otherwise) is not set by the recipe: on the server it belongs to the operators
    and is kept.


    Attributes:
        flow: The flow it runs; read-only.
        context: The deploy it is part of; read-only.
        environment: The environment it is for.
        id: Its id on the server, once it has been written; read-only.
        name: Its name within the flow.
        version: Its version, or the rule that computes it.
        tags: Its tags, inherited by its runs.
        description: Markdown for the UI.
        parameters: Default values of flow parameters.
        parameter_schema: The parameters shown in the run form, if fewer than the flow's; None means all.
        enforce_parameter_schema: Whether the server validates the parameters of runs.
        entrypoint: Overrides the flow's own entrypoint.
        pull_steps: What a worker does to fetch the code before a run.
        steps_after_code: Further steps from builders that do not fetch the code: always run after ``pull_steps``, whichever
            builder sets those.
        job_variables: Values for the variables of the work pool's job template.
        pool_defaults: Settings of the work pool's job template for everything that runs there; merged key by key.
        work_pool_name: The work pool that runs it.
        work_pool_name: The work pool that runs it.
        work_queue_name: The pool's queue that runs it.
        schedules: Its schedules; an empty list removes those on the server.
        paused: Whether its schedules are paused.
        concurrency_limit: How many runs at a time; 0 means no limit.
        collision_strategy: What happens to a run that exceeds the limit.
        grace_period_seconds: How long a run that has a slot may take to start.
        smoke: The smoke run that must succeed before the deployment counts; None for none.
        pins_each_commit: Whether every deployed commit is written; otherwise only one that changes a file of the project.
        notes: Short sentences for the user.
        owns_all: Fields that operators normally may add to, but not here: their additions are removed by the next deploy.
        allowed: Problems that Prefect ignores or finds late, and that are not errors here.
        renamed_from: The ``flow/deployment`` that it replaces: operators' settings are carried over from it.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", validate_assignment=True)

    flow: FlowFacts = Field(frozen=True)
    context: DeployContext = Field(frozen=True)
    environment: str
    id: UUID | None = None
    name: str = ""
    version: str | VersionRule | None = None
    tags: list[str] = []
    description: str | None = None
    parameters: dict[str, Any] = {}
    parameter_schema: dict[str, Any] | None = None
    enforce_parameter_schema: bool = True
    entrypoint: str | None = None
    pull_steps: list[dict[str, Any]] = []
    steps_after_code: list[dict[str, Any]] = []
    job_variables: dict[str, Any] = {}
    pool_defaults: dict[str, Any] = {}
    work_pool_name: str | None = None
    work_queue_name: str | None = None
    schedules: list[Schedule] | None = None
    paused: bool | None = None
    concurrency_limit: int | None = Field(default=None, ge=0)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"] | None = None
    grace_period_seconds: int | None = Field(default=None, ge=60, le=86400)
    smoke: Smoke | None = None
    pins_each_commit: bool = False
    notes: list[str] = []
    owns_all: frozenset[Literal["schedules", "tags"]] = frozenset()
    allowed: frozenset[Allowed] = frozenset()
    renamed_from: str | None = None

    @field_validator("name", "work_pool_name", "work_queue_name")
    @classmethod
    def _prefect_accepts(cls, name: str | None) -> str | None:
        return name and check_name(name)

    @property
    def environment_word(self) -> str:
        """How its environment is written in its name and tags: its name, unless the project defines another word."""
        return self.context.word_for(self.environment)

    @field_validator("environment", "version", "tags")
    @classmethod
    def _is_plain(cls, named: str | list[str] | VersionRule | None) -> str | list[str] | VersionRule | None:
        for name in named if isinstance(named, list) else [named]:
            if isinstance(name, str):
                check_plain(name)
        return named

    @property
    def full_name(self) -> str:
        """Its name in Prefect: ``flow/deployment``."""
        return f"{self.flow.name}/{self.name}"

    @property
    def form(self) -> dict[str, Any]:
        """The JSON schema of the parameters accepted for a run."""
        return self.flow.parameter_schema if self.parameter_schema is None else self.parameter_schema

    @property
    def open_parameters(self) -> tuple[str, ...]:
        """The required parameters of its flow that have no default value here."""
        required: list[str] = self.form.get("required", [])
        return tuple(name for name in required if name not in self.parameters)

    def private_copy(self) -> Deployment:
        """Return a copy that can be modified in place without affecting others."""
        # Frozen parts are shared: copying the schemas and contexts of a thousand deployments would dominate the run time.
        own = {field: _copied(getattr(self, field)) for field in _CONTAINERS}
        if self.schedules is not None:
            own["schedules"] = [
                schedule.model_copy(update={"parameters": _copied(schedule.parameters)}) for schedule in self.schedules
            ]
        return self.model_copy(update=own)


def _copied(value: Any) -> Any:
    """Copy nested JSON containers; scalars are shared."""
    match value:
        case dict():
            return {key: _copied(inner) for key, inner in cast("dict[str, Any]", value).items()}
        case list():
            return [_copied(inner) for inner in cast("list[Any]", value)]
        case _:
            return value
