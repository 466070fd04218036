"""Builders that add automations to a deployment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.components import Automation, Component, Notify, RunDeployment, RunState
from meta_prefect.interfaces.deployment import Deployment


class notify(Builder):  # noqa: N801 - used like a function
    """Sends a message through a notification block when a run of the deployment enters a state.

    Attributes:
        block: A notification block that exists, as ``type/name``: ``slack-webhook/on-call``, ``email/team``.
        states: The states that set it off.
    """

    step: ClassVar[str] = "notify"

    block: str
    states: tuple[RunState, ...] = ("Failed", "Crashed", "TimedOut")

    @property
    def requires(self) -> Iterable[Component]:
        """The automation."""
        return (Automation(states=self.states, action=Notify(block=self.block)),)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Return the deployment unchanged: the automation is a separate object."""
        return deployment


class then_run(Builder):  # noqa: N801 - used like a function
    """Runs another deployment after a run of this one has ended in a state.

    Attributes:
        deployment: The other deployment, as ``flow/deployment``; it may be one of the same project.
        parameters: Parameters of its run.
        states: The states that set it off.
    """

    step: ClassVar[str] = "run afterwards"

    deployment: str
    parameters: dict[str, Any] = Field(default={})
    states: tuple[RunState, ...] = ("Completed",)

    @property
    def requires(self) -> Iterable[Component]:
        """The automation."""
        action = RunDeployment(deployment=self.deployment, parameters=self.parameters)
        return (Automation(states=self.states, action=action),)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Return the deployment unchanged: the automation is a separate object."""
        return deployment
