"""Automations that react to the runs of a deployment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meta_prefect.interfaces.components.automation_actions import Notify, RunDeployment
from meta_prefect.interfaces.components.owned_automation import OwnedAutomation
from meta_prefect.interfaces.json_diff import Record

RunState = Literal["Completed", "Failed", "Crashed", "Cancelled", "TimedOut", "Late", "Running", "Scheduled"]


class Automation(OwnedAutomation):
    """An automation triggered when runs of a deployment enter certain states.

    Attributes:
        states: The states that trigger it.
        action: The action it performs.
    """

    states: tuple[RunState, ...] = ("Failed", "Crashed", "TimedOut")
    action: Annotated[Notify | RunDeployment, Field(discriminator="kind")]

    def title(self) -> str:
        """Return ``<flow>-<deployment>: <action>``."""
        return f"{self.flow}-{self.deployment}: {self.action}".replace("/", "-")

    def about(self) -> str:
        """Describe its project, its trigger and its action."""
        states = " or ".join(self.states)
        return f"Project {self.project}: when a run of {self.flow}/{self.deployment} is {states}, {self.action}."

    def does(self) -> Notify | RunDeployment:
        """Return the configured action."""
        return self.action

    def event(self) -> Record:
        """Match runs of the deployment entering one of the states."""
        return {
            **self.runs_of_it(),
            "expect": sorted(f"prefect.flow-run.{state}" for state in self.states),
            "for_each": ["prefect.resource.id"],
            "within": 0.0,
        }
