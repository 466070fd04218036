"""Automations: what Prefect does when something happens to the runs of a deployment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meta_prefect.interfaces.components.automation_actions import Notify, RunDeployment
from meta_prefect.interfaces.components.owned_automation import OwnedAutomation
from meta_prefect.interfaces.json_diff import Record

RunState = Literal["Completed", "Failed", "Crashed", "Cancelled", "TimedOut", "Late", "Running", "Scheduled"]


class Automation(OwnedAutomation):
    """Does something when runs of a deployment enter a state.

    Attributes:
        states: The states that set it off.
        action: What it does.
    """

    states: tuple[RunState, ...] = ("Failed", "Crashed", "TimedOut")
    action: Annotated[Notify | RunDeployment, Field(discriminator="kind")]

    def title(self) -> str:
        """``<flow>-<deployment>: <what it does>``."""
        return f"{self.flow}-{self.deployment}: {self.action}".replace("/", "-")

    def about(self) -> str:
        """Of which project it is, what sets it off, and what it does."""
        states = " or ".join(self.states)
        return f"Project {self.project}: when a run of {self.flow}/{self.deployment} is {states}, {self.action}."

    def does(self) -> Notify | RunDeployment:
        """What was said."""
        return self.action

    def event(self) -> Record:
        """A run of the deployment enters one of the states."""
        return {
            **self.runs_of_it(),
            "expect": sorted(f"prefect.flow-run.{state}" for state in self.states),
            "for_each": ["prefect.resource.id"],
            "within": 0.0,
        }
