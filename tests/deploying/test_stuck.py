"""A message about a run that does not start."""

from __future__ import annotations

from prefect.server.events.schemas.automations import EventTrigger
from prefect.states import InfrastructurePending, Pending, Running

from meta_prefect.implementations.notification.stuck import Stuck


def test_a_pod_that_waits_is_not_taken_for_a_start() -> None:
    """The run is stuck from when a worker took it, also where Prefect tells meanwhile that its pod is pending."""
    event = Stuck(block="slack-webhook/on-call", flow="add", deployment="nightly-dev").event()
    trigger = EventTrigger.model_validate({**event, "type": "event", "threshold": 1})
    names = {state.name: f"prefect.flow-run.{state.name}" for state in (Pending(), InfrastructurePending(), Running())}

    assert trigger.starts_after(names["Pending"])
    assert not trigger.expects(names["InfrastructurePending"])
    assert trigger.expects(names["Running"])
