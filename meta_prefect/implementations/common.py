"""The variables shared by the built-in recipes, and the builders behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from meta_prefect.errors import RecipeError
from meta_prefect.implementations.code.place import Code
from meta_prefect.implementations.code.pull_steps import Steps, pull_steps
from meta_prefect.implementations.concurrency import run_limit, work_queue
from meta_prefect.implementations.metadata import describer, namer, tags_resolver, versioneer
from meta_prefect.implementations.metadata.name import BY_ENVIRONMENT, NamePattern
from meta_prefect.implementations.metadata.version import Strategy
from meta_prefect.implementations.notification.triggers import Triggers, run_triggers
from meta_prefect.implementations.run_settings import deployment_switches, job_variables, parameters, smoke_run
from meta_prefect.implementations.run_settings.switches import Allowances, Shares
from meta_prefect.implementations.schedule import HolidaysSpec, ScheduleVariable, scheduler
from meta_prefect.interfaces.flow_builder_interface import Chain, FlowBuilderInterface
from meta_prefect.interfaces.names import check_name
from meta_prefect.interfaces.short_forms import NUMBER, one_or_many, reads
from meta_prefect.interfaces.smoke import Smoke
from meta_prefect.interfaces.variable_group import VariableGroup
from meta_prefect.texts import check_plain

__all__ = ["CommonVariables", "ConcurrencyLimit"]


class ConcurrencyLimit(BaseModel):
    """How many runs of a deployment happen at a time; a number alone is its limit."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    limit: int = Field(ge=0, title="Limit", description="How many runs at a time; 0 removes a limit that is there.")
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"] | None = Field(
        default=None,
        title="Above the limit",
        description="Whether a run above the limit waits or is cancelled. Empty leaves that to the operator, and it waits.",
    )
    grace_period_seconds: int | None = Field(
        default=None,
        ge=60,
        le=86400,
        title="Grace period",
        description="Seconds within which a run that has a slot must have started. Empty leaves that to the operator.",
    )

    @model_validator(mode="before")
    @classmethod
    @reads(NUMBER)
    def _read_number(cls, value: object) -> object:
        return {"limit": value} if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _needs_a_limit(self) -> ConcurrencyLimit:
        if self.grace_period_seconds is not None and not self.limit:
            raise ValueError("grace_period_seconds belongs to a limit, and limit: 0 removes it")
        return self


Name = Annotated[str, Field(min_length=1), AfterValidator(check_name)]
Words = Annotated[
    tuple[Annotated[str, Field(min_length=1), AfterValidator(check_plain)], ...], BeforeValidator(one_or_many)
]


@dataclass(frozen=True, kw_only=True)
class CommonVariables(VariableGroup):
    """What may be said of any deployment, wherever it runs.

    Attributes:
        name: What the deployment is for, for example ``nightly``.
        env: Pins the environment; left empty, it is the one that is deployed to.
        name_pattern: How the deployment is called, of ``{name}`` and ``{env}``. Without ``{env}`` it can be in one environment
            only.
        description: Markdown for the UI; left empty, the flow's docstring.
        tags: Further tags, of the deployment and of every run.
        version: A fixed version, instead of one by the strategy.
        version_strategy: How the version comes about: ``increment`` counts deploys, ``increment-on-change`` changes; ``package``
            is the installed package's version, ``git`` the commit, ``content`` a hash of the flow's file, ``auto`` the first of
            these three that there is.
        parameters: Default values of the flow's parameters.
        enforce_parameter_schema: Whether the server refuses runs with parameters that the flow does not take; left empty, it
            does.
        job_variables: Further values for the variables of the work pool's template, over those that the recipe sets.
        work_queue: The work pool's queue that gets the runs; left empty, the one that is chosen in the UI stays.
        code: Where the code comes from: ``image``, ``git`` (what a deployer has fetched), ``local``, or an object with ``git`` or
            ``s3``. Left empty, a builder on the flow says so, else the deployer's repository, else image or folder as usual.
        pull: Prefect's steps that a worker takes before each run: behind those that bring the code, or instead of them where one
            does more than run a script (``run_shell_script``) or install requirements (``pip_install_requirements``). An empty
            list lets runs start where the worker starts them.
        schedule: When it runs: an rrule, cron or interval with its timezone.
        holidays: The days without scheduled runs, for schedules that name none themselves: a country, a market, an .ics file, an
            object or several; false for none.
        active_in: The environments in which schedules are active that do not say so themselves; null leaves that to the
            operators, and new ones are active.
        active: Whether these schedules are active, wherever it is; left empty, ``active_in`` decides.
        paused: Whether the deployment is paused; left empty, that stays as it is set in the UI.
        unique: Whether only one run happens at a time, the next one waiting; left empty, a limit set in the UI stays.
        concurrency_limit: How many runs happen at a time, and what happens to others, where that is not ``unique``.
        triggers: Events at which it runs, as automations of Prefect; an empty list removes those that are there.
        smoke: The run by which the deployment shows that it works before its schedules are active, with ``parameters`` and
            ``timeout``, in place of its environment's; true for one as it is, false for none.
        owns_all: ``schedules``, ``tags``, or both: what operators add of these goes at the next deploy. Left empty, it stays.
        allow: What Prefect takes and is refused otherwise: ``unknown_job_variables``, which the pool's template does not have and
            Prefect ignores; ``unknown_parameters``, with which runs of the flow fail. Both stay as they are.
    """

    name: Name
    env: str | None = None
    name_pattern: NamePattern = BY_ENVIRONMENT
    description: str | None = None
    tags: Words = ()
    version: str | None = None
    version_strategy: Strategy = "increment"
    parameters: dict[str, Any] | None = None
    enforce_parameter_schema: bool | None = None
    job_variables: dict[str, Any] | None = None
    work_queue: Name | None = None
    code: Code | None = None
    pull: Steps | None = None
    schedule: ScheduleVariable = None
    holidays: HolidaysSpec = "US"
    active_in: Words | None = ("prod",)
    active: bool | None = None
    paused: bool | None = None
    unique: bool | None = None
    concurrency_limit: ConcurrencyLimit | None = None
    triggers: Triggers | None = None
    smoke: Smoke | bool | None = None
    owns_all: Shares = ()
    allow: Allowances = ()

    def around(self, where: FlowBuilderInterface, *, entrypoint: str | None = None) -> FlowBuilderInterface:
        """Build the complete chain of a recipe.

        Args:
            where: The builders for the infrastructure.
            entrypoint: The entrypoint for runs, if it differs from the deploy's.

        Raises:
            RecipeError: Two variables are mutually exclusive.
        """
        return Chain(
            namer(name=self.name, pattern=self.name_pattern),
            describer(text=self.description),
            tags_resolver(tags=self.tags),
            versioneer(strategy=self.version_strategy, version=self.version),
            *(() if self.code is None else (self.code.builder(),)),
            where,
            *self._further(entrypoint),
        )

    def _further(self, entrypoint: str | None) -> Iterator[FlowBuilderInterface]:
        """Yield the builders for everything but name, description, tags and version."""
        if self.job_variables:
            yield job_variables(values=self.job_variables)
        if self.work_queue is not None:
            yield work_queue(name=self.work_queue)
        if self.pull is not None:
            yield pull_steps(self.pull, instead=True)
        if self.parameters:
            yield parameters(values=self.parameters)
        if self.schedule is not None:
            holidays = "US" if self.holidays is None else self.holidays
            active = self.active_in if self.active is None else self.active
            yield scheduler(schedule=self.schedule, holidays=holidays, active=active)
        yield from filter(None, (self._limit(), self._smoke()))
        switches = deployment_switches(
            paused=self.paused,
            enforce_parameter_schema=self.enforce_parameter_schema,
            entrypoint=entrypoint,
            owns_all=self.owns_all,
            allow=self.allow,
        )
        if switches != deployment_switches():
            yield switches
        if self.triggers is not None:
            yield run_triggers(triggers=self.triggers)

    def _smoke(self) -> smoke_run | None:
        match self.smoke:
            case None:
                return None
            case Smoke(parameters=given, timeout=timeout):
                return smoke_run(parameters=given, timeout=timeout)
            case wanted:
                return smoke_run(wanted=wanted)

    def _limit(self) -> run_limit | None:
        wanted = self.concurrency_limit
        if wanted is None:
            return None if self.unique is None else run_limit(limit=1 if self.unique else 0)
        if self.unique is not None:
            raise RecipeError("give either `unique` or `concurrency_limit`").is_about("unique", value=self.unique)
        return run_limit(
            limit=wanted.limit, collision=wanted.collision_strategy, grace_period=wanted.grace_period_seconds
        )
