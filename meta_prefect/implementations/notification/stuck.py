"""Notifies when a run that a worker picked up does not start."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar, Final

from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.notification.overdue import Within
from meta_prefect.interfaces.components import Component, Notify, OwnedAutomation
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record

_TEN_MINUTES: Final = timedelta(minutes=10)

_NO_LONGER_WAITING: Final = (
    *("Running", "Completed", "Failed", "Crashed", "TimedOut", "Cancelling", "Cancelled", "Paused", "Suspended"),
    *("Scheduled", "Rescheduled", "AwaitingRetry", "AwaitingConcurrencySlot"),
)
"""The states that may follow pending; not ``InfrastructurePending``, in which the run's pod is waiting."""


class Stuck(OwnedAutomation):
    """An automation that notifies when a run that a worker picked up has not started in time.

    Attributes:
        block: The notification block, as ``type/name``.
        within: How long it may take to start.
    """

    block: str
    within: timedelta = _TEN_MINUTES

    def title(self) -> str:
        """Return ``<flow>-<deployment>: notify slack-webhook-on-call of runs that do not start``."""
        return f"{self.flow}-{self.deployment}: {self.does()} of runs that do not start".replace("/", "-")

    def about(self) -> str:
        """Describe its project, its trigger and its action."""
        late = f"a run of {self.flow}/{self.deployment} is pending for {self.within}"
        return f"Project {self.project}: when {late}, {self.does()}."

    def does(self) -> Notify:
        """Return the notification."""
        return Notify(
            block=self.block,
            subject="{{ flow.name }}: a run does not start",
            body=f"Run {{{{ flow_run.name }}}} of {{{{ deployment.name }}}} is pending for {self.within}; its logs, and the "
            "cluster's events of its job, may say why: {{ flow_run|ui_url }}",
        )

    def event(self) -> Record:
        """Match if a run is pending and enters no other state in time."""
        return {
            **self.runs_of_it(),
            "posture": "Proactive",
            "after": ["prefect.flow-run.Pending"],
            "expect": sorted(f"prefect.flow-run.{state}" for state in _NO_LONGER_WAITING),
            "for_each": ["prefect.resource.id"],
            "within": self.within.total_seconds(),
        }


class notify_stuck(Builder):  # noqa: N801 - used like a function
    """Sends a message through a notification block when a run that a worker has taken does not start.

    In a cluster that is a run whose image cannot be pulled, for whose pod there is no room, or which a quota or a policy refuses:
    Prefect calls it pending for as long as it takes.

    Attributes:
        block: A notification block that exists, as ``type/name``.
        within: How long it may take to start: seconds, or ``10 minutes``.
    """

    step: ClassVar[str] = "notify of runs that do not start"

    block: str
    within: Within = _TEN_MINUTES

    @property
    def requires(self) -> Iterable[Component]:
        """The automation."""
        return (Stuck(block=self.block, within=self.within),)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Return the deployment unchanged: the automation is a separate object."""
        return deployment
