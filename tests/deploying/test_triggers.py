"""Deployments that run at events: their triggers on the server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from planning import left_to_do
from prefect.events.schemas.automations import MetricTrigger
from support import Api, wait_until
from texts import WORK_FLOW

from meta_prefect.deploy import deploy, validate
from meta_prefect.errors import ValidationFailed
from meta_prefect.implementations.notification.triggers import Trigger

Project = Callable[..., Path]
FILE = """\
project: UNIQUE
deployments:
  UNIQUE:
    - recipe: local_run_deployer
      variables:
        name: at-events
        triggers: TRIGGERS
"""
ORDERS = """
          - expect: UNIQUE.placed
            match: {prefect.resource.id: "order.*"}
            match_related: {prefect.resource.role: shop}
            parameters: {n: "{{ event.payload.n }}"}
            schedule_after: 1 minute
          - name: UNIQUE-quiet
            description: Nothing has come for long.
            enabled: false
            posture: Proactive
            expect: [UNIQUE.b, UNIQUE.a]
            after: UNIQUE.begun
            for_each: prefect.resource.id
            threshold: 2
            within: PT1H
          - type: compound
            require: any
            within: 60
            triggers: [{expect: UNIQUE.c}, {expect: UNIQUE.d, threshold: 3}]
"""


def project_with(project: Project, triggers: str) -> Path:
    """A project with one deployment that has triggers."""
    return project(**{"flow.py": WORK_FLOW, "meta_prefect.yaml": FILE.replace("TRIGGERS", triggers)})


def automations_of(server: Api, deployment: Any) -> dict[str, Any]:
    """The automations that concern a deployment, by name."""
    related = server.get(f"/automations/related-to/prefect.deployment.{deployment['id']}")
    return {one["name"]: one for one in related}


def test_they_arrive_as_they_are_written(server: Api, project: Project, unique: str) -> None:
    """Every key of a trigger is stored; the same deploy again is a no-op; what an operator switches off stays off."""
    root = project_with(project, ORDERS)

    deploy([str(root)])

    deployment = server.deployment(f"{unique}/at-events-dev")
    found = automations_of(server, deployment)
    first, quiet, several = (
        found["at-events-dev__automation_1"],
        found[f"{unique}-quiet"],
        found["at-events-dev__automation_3"],
    )
    trigger, action = first["trigger"], first["actions"][0]
    assert (trigger["expect"], trigger["match"]) == ([f"{unique}.placed"], {"prefect.resource.id": ["order.*"]})
    assert trigger["match_related"] == [{"prefect.resource.role": ["shop"]}]
    assert (action["deployment_id"], action["parameters"]) == (deployment["id"], {"n": "{{ event.payload.n }}"})
    assert (action["schedule_after"], first["enabled"]) == (60, True)
    assert (quiet["enabled"], quiet["description"]) == (False, "Nothing has come for long.")
    trigger = quiet["trigger"]
    assert (trigger["posture"], trigger["threshold"], trigger["within"]) == ("Proactive", 2, 3600)
    assert (sorted(trigger["expect"]), trigger["after"]) == ([f"{unique}.a", f"{unique}.b"], [f"{unique}.begun"])
    assert trigger["for_each"] == ["prefect.resource.id"]
    assert (several["trigger"]["type"], several["trigger"]["require"]) == ("compound", "any")
    assert [one["threshold"] for one in several["trigger"]["triggers"]] == [1, 3]
    assert left_to_do(root) == []

    server.patch(f"/automations/{first['id']}", enabled=False)
    assert left_to_do(root) == []
    project_with(project, ORDERS.replace("1 minute", "2 minutes"))
    deploy([str(root)])
    changed = automations_of(server, deployment)["at-events-dev__automation_1"]
    assert (changed["id"], changed["enabled"]) == (first["id"], False)
    assert changed["actions"][0]["schedule_after"] == 120


def test_what_is_triggered_no_longer_goes(server: Api, project: Project, unique: str) -> None:
    """A trigger that is left out is deleted, and so is each with the deployment; an empty list removes all."""
    root = project_with(project, ORDERS)
    deploy([str(root)])
    deployment = server.deployment(f"{unique}/at-events-dev")

    project_with(project, f"{{expect: {unique}.placed}}")
    (change,) = left_to_do(root)
    assert f"{unique}-quiet" in change
    deploy([str(root)])
    assert automations_of(server, deployment).keys() == {"at-events-dev__automation_1"}

    project_with(project, "[]")
    deploy([str(root)])
    assert automations_of(server, deployment) == {}

    project_with(project, f"{{name: {unique}, expect: {unique}.placed}}")
    deploy([str(root)])
    named = {"automations": {"name": {"any_": [unique]}}}
    assert len(server.post("/automations/filter", **named)) == 1
    project(**{"meta_prefect.yaml": "project: UNIQUE\n"})
    deploy([str(root)], prune=True)
    assert server.post("/automations/filter", **named) == []


def test_an_event_starts_a_run(server: Api, project: Project, unique: str) -> None:
    """The run gets what the event says."""
    root = project_with(project, f"{{expect: {unique}.placed, parameters: {{n: '{{{{ event.payload.n }}}}'}}}}")
    deploy([str(root)])
    deployment = server.deployment(f"{unique}/at-events-dev")

    def runs() -> list[Any]:
        placed = {"id": str(uuid.uuid4()), "occurred": datetime.now(UTC).isoformat(), "event": f"{unique}.placed"}
        server.post("/events", {**placed, "payload": {"n": 7}, "resource": {"prefect.resource.id": f"order.{unique}"}})
        return server.post("/flow_runs/filter", flow_runs={"deployment_id": {"any_": [deployment["id"]]}})

    (run, *_) = wait_until(runs, what="a run is triggered")
    assert run["parameters"] == {"n": 7}


def test_those_of_prefect_s_own_command_are_taken_over(server: Api, project: Project, unique: str) -> None:
    """What `prefect deploy` made of the same triggers is kept in place, so that no event starts two runs."""
    root = project_with(project, "null")
    deploy([str(root)])
    deployment = server.deployment(f"{unique}/at-events-dev")
    made = server.post(
        "/automations/",
        name="at-events-dev__automation_1",
        trigger={"type": "event", "expect": [f"{unique}.placed"], "posture": "Reactive", "threshold": 1, "within": 0},
        actions=[
            {"type": "run-deployment", "source": "selected", "deployment_id": deployment["id"], "parameters": None}
        ],
        owner_resource=f"prefect.deployment.{deployment['id']}",
    )

    project_with(project, f"{{expect: {unique}.placed}}")
    deploy([str(root)])

    assert [one["id"] for one in automations_of(server, deployment).values()] == [made["id"]]
    assert left_to_do(root) == []


def test_a_metric_is_what_prefect_cloud_takes_and_no_other_server(server: Api, project: Project, unique: str) -> None:
    """Its form is that of Prefect's own client; a server that has no metrics is told before anything is written."""
    metric = {"name": "lateness", "operator": ">=", "threshold": 3, "firing_for": "10 minutes"}
    wanted = Trigger.model_validate(
        {"type": "metric", "match": {"prefect.resource.id": "x"}, "metric": metric}
    ).as_trigger()

    taken = MetricTrigger.model_validate(wanted)

    assert (taken.metric.threshold, taken.metric.firing_for) == (3, timedelta(minutes=10))
    assert {key: value for key, value in taken.model_dump(mode="json").items() if key in wanted} == wanted
    root = project_with(project, "{type: metric, metric: {name: successes, operator: '<', threshold: 0.9}}")
    validate([str(root)])
    with pytest.raises(ValidationFailed, match="metric triggers are Prefect Cloud's, this server has none"):
        deploy([str(root)], dry_run=True)


REFUSED = {
    "{expect: a, parameters: {m: 1}}": ("7:44", "triggers.parameters.m", "parameter 'm', which it does not take"),
    "{expects: a}": ("7:20", "triggers.expects", "Did you mean 'expect'?"),
    "{posture: Proactive}": ("7:9", "triggers", "give `within`, 10 seconds at least"),
    "{type: compound, within: 5}": ("7:9", "triggers", "a compound needs `triggers`"),
    "{type: webhook}": ("7:20", "triggers.type", "'event', 'compound', 'sequence' or 'metric'"),
    "{type: metric, within: 5}": ("7:9", "triggers", "`type: metric` and `metric: {name: …"),
    "{type: metric, expect: a, metric: {name: duration, operator: '>', threshold: 1}}": (
        "7:9",
        "triggers",
        "expect: is about events, not about a metric",
    ),
    "{type: sequence, expect: a, triggers: [{expect: b}]}": ("7:9", "triggers", "expect: belongs to the conditions"),
    "[{name: a, expect: b}, {name: a}]": ("7:21", "triggers[0].name", "two triggers have the name 'a'"),
}


@pytest.mark.parametrize(("triggers", "told"), REFUSED.items())
def test_what_is_no_trigger(project: Project, unique: str, triggers: str, told: tuple[str, str, str]) -> None:
    """It is refused at its line and key, with what to write."""
    with pytest.raises(ValidationFailed) as failed:
        validate([str(project_with(project, triggers))])
    (error,) = failed.value.errors
    place, key, message = told
    assert str(error).startswith(f"meta_prefect.yaml:{place}: deployments.{unique}[0].variables.{key}: "), str(error)
    assert message in str(error)
