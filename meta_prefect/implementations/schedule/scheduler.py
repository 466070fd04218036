"""The schedules of a deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AliasChoices, BeforeValidator, Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.short_forms import one_or_many
from meta_prefect.schedules.resolve import Resolved, resolve
from meta_prefect.schedules.spec import HolidaysSpec, ScheduleSpec

Schedules = Annotated[tuple[ScheduleSpec, ...] | None, BeforeValidator(one_or_many)]
"""One or more schedules, as objects or short strings; None if unspecified."""


ScheduleVariable = Annotated[Schedules, Field(validation_alias=AliasChoices("schedule", "schedules"))]
"""The variable ``schedule`` of a recipe, with the alias ``schedules``."""


class scheduler(Builder):  # noqa: N801 - used like a function
    """Schedules a deployment, without runs on holidays.

    The runs that are left out are those at which the rule really fires on a holiday in the schedule's own time zone, up to
    the end of next year; each deploy moves that horizon on.

    Attributes:
        schedule: One schedule or several; none removes the schedules that are there.
        holidays: The calendar for schedules that name none: a country, a market, an object; None for no calendar.
        active: Whether schedules create runs that do not say so themselves: always, never, or in the environments listed;
            None leaves it to the operator.
    """

    step: ClassVar[str] = "skip holidays"

    schedule: Schedules = ()
    holidays: HolidaysSpec = None
    active: bool | tuple[str, ...] | None = None

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the schedules."""
        deployment.schedules = [found.schedule for found in self.resolved(deployment)]
        return deployment

    def resolved(self, deployment: Deployment) -> tuple[Resolved, ...]:
        """Return a deployment's resolved schedules."""
        active = deployment.environment in self.active if isinstance(self.active, tuple) else self.active
        return resolve(
            self.schedule,
            default_calendar=self.holidays,
            now=deployment.context.now,
            default_active=active,
            base_dir=Path(deployment.flow.source),
        )
