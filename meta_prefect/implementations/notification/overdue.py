"""Notifies when a run has not completed in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Annotated, ClassVar, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.api import Host
from meta_prefect.interfaces.components import Component, Notify, OwnedAutomation
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.short_forms import NUMBER, TEXT, reads
from meta_prefect.schedules.durations import read_duration
from meta_prefect.schedules.preview import preview

_MIN_WITHIN: Final = timedelta(seconds=10)
"""Prefect checks for missing events every few seconds and accepts no shorter time."""

_DAY: Final = timedelta(days=1)
_SAMPLED_RUNS: Final = 20
"""How many of the next runs to sample to find the usual start time."""


@reads(TEXT, NUMBER)
def _read_duration(value: object) -> object:
    return read_duration(value) if isinstance(value, str) else value


Within = Annotated[timedelta, BeforeValidator(_read_duration), Field(ge=_MIN_WITHIN)]


class Overdue(OwnedAutomation):
    """An automation that notifies when a run has not completed in time since it was due.

    Attributes:
        block: The notification block, as ``type/name``.
        by: The time of day, in the time zone of the deployment's schedules.
        within: How long a run may take from its due time; if empty, computed from ``by``.
    """

    block: str
    by: time | None = None
    within: timedelta | None = None

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Compute how long runs may take to complete by the given time."""
        known = super().completed(deployment, host)
        if self.by is None:
            return known
        return known.model_copy(update={"within": _until(self.by, deployment)})

    def _deadline(self) -> str:
        return f"by {self.by:%H:%M}" if self.by is not None else f"within {self.within}"

    def title(self) -> str:
        """Return ``<flow>-<deployment>: notify slack-webhook-on-call of overdue runs``."""
        return f"{self.flow}-{self.deployment}: {self.does()} of overdue runs".replace("/", "-")

    def about(self) -> str:
        """Describe its project, its trigger and its action."""
        late = f"a run of {self.flow}/{self.deployment} has not completed {self._deadline()}"
        return f"Project {self.project}: when {late}, {self.does()}."

    def does(self) -> Notify:
        """Return the notification."""
        return Notify(
            block=self.block,
            subject=f"{{{{ flow.name }}}}: not completed {self._deadline()}",
            body=f"Run {{{{ flow_run.name }}}} of {{{{ deployment.name }}}} has not completed {self._deadline()}: "
            "{{ flow_run|ui_url }}",
        )

    def event(self) -> Record:
        """Match if no run completes within the time after one started or became late."""
        within = self.within or _MIN_WITHIN
        runs = self.runs_of_it()
        if self.by is not None:
            # A run started by hand at noon is not overdue at seven in the morning.
            runs["match_related"].append(
                {"prefect.resource.role": ["tag"], "prefect.resource.id": ["prefect.tag.auto-scheduled"]}
            )
        return {
            **runs,
            "posture": "Proactive",
            "after": ["prefect.flow-run.Late", "prefect.flow-run.Pending"],
            "expect": ["prefect.flow-run.Completed"],
            "for_each": ["prefect.resource.id"],
            "within": within.total_seconds(),
        }


def _until(by: time, deployment: Deployment) -> timedelta:
    """Return the time between the start of a deployment's runs and a time of day."""
    times: Counter[time] = Counter()
    for schedule in deployment.schedules or ():
        fires = preview(schedule, now=deployment.context.now, count=_SAMPLED_RUNS).fires
        times.update(fire.time() for fire in fires)
    # Ignore single runs at a different time, caused by clock changes.
    usual = [one for one, count in times.items() if count > 1 or len(times) == 1]
    if len(usual) != 1:
        at = ", ".join(f"{one:%H:%M}" for one in sorted(usual)) or "no time of the day"
        raise ConfigurationError(
            f"`by` needs runs at one time of the day, and {deployment.full_name} has them at {at}",
            hint="Say how long a run may take instead: within='90 minutes'.",
        ).is_about("by", value=f"{by:%H:%M}")
    some_day = datetime(2026, 1, 1)  # noqa: DTZ001 - wall-clock times
    until = datetime.combine(some_day, by) - datetime.combine(some_day, usual[0])
    return until if until >= _MIN_WITHIN else until + _DAY


class notify_overdue(Builder):  # noqa: N801 - used like a function
    """Sends a message through a notification block when a run of the deployment has not completed in time.

    The time counts from when a worker takes a run, or from when it is late for want of one. A run that failed or was cancelled
    has not completed either. Where nothing is scheduled, or the deployment is paused, nothing is sent.

    Attributes:
        block: A notification block that exists, as ``type/name``.
        within: How long a run may take: seconds, or ``90 minutes``.
        by: Or the time of the day by which scheduled runs have to be done, ``07:00``, in the time zone of the schedule; on the
            next day, where they begin later than that.
    """

    step: ClassVar[str] = "notify of overdue runs"

    block: str
    within: Within | None = None
    by: time | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.within is None) == (self.by is None):
            raise ValueError("say either how long a run may take (`within`), or `by` when it has to be done")
        return self

    @property
    def requires(self) -> Iterable[Component]:
        """The automation."""
        return (Overdue(block=self.block, within=self.within, by=self.by),)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Return the deployment unchanged: the automation is a separate object."""
        return deployment
