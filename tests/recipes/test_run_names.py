"""What runs of a deployer are called, and what automations say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from values import a_context, a_deployment

from deployer_flows.whole_project import selected
from meta_prefect.engine.observed import run_title
from meta_prefect.engine.plan_input import PlanInput
from meta_prefect.engine.requests import ProjectRequests
from meta_prefect.engine.selection import Selection
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.implementations.notification import notify, watch_deployments
from meta_prefect.interfaces.components import OwnedAutomation
from meta_prefect.interfaces.tags import without_environment
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.project import Project

COMMIT = "1a2b3c4" + "0" * 33


@pytest.mark.parametrize(
    ("commit", "asked", "name"),
    [
        pytest.param(COMMIT, DeployOptions(), "deploy shop to prod @1a2b3c4", id="all of it"),
        pytest.param(
            f"{COMMIT}+dirty", DeployOptions(), "deploy shop to prod @1a2b3c4+dirty", id="changed since the commit"
        ),
        pytest.param(None, DeployOptions(names=("load",)), "deploy shop to prod: load", id="a flow"),
        pytest.param(
            COMMIT,
            DeployOptions(names=("load/a", "load/b"), select=("etl-*", "x")),
            "deploy shop to prod @1a2b3c4: load/a, load/b and 2 more",
            id="many",
        ),
    ],
)
def test_a_deploys_name_tells_what_was_selected(commit: str | None, asked: DeployOptions, name: str) -> None:
    """Project, environment, short commit, and of a selection the first ones."""
    context = a_context(project="shop", environment="prod", commit=commit)
    flows = ProjectFlows(Path(), from_source=False)
    order = PlanInput(Project.model_construct(), context, Selection(), ProjectRequests((), (), (), ()), asked, flows)
    assert run_title(context, "deploy", more=selected(order)) == name


def test_a_check_of_several_environments_names_them() -> None:
    """One run looks at all of them."""
    context = a_context(project="shop", environment="prod", commit=None)
    assert run_title(context, "check", "in", among=["dev", "prod"]) == "check shop in dev, prod"


def test_a_run_is_about_one_environment() -> None:
    """The deployer's own environment is not the one that its run deploys to."""
    assert without_environment(["env=deployer", "deployer", "environment"]) == ["deployer", "environment"]


def automations(builder: notify | watch_deployments) -> list[OwnedAutomation]:
    """The automations that a builder makes for a deployment `check/shop`."""
    deployment = a_deployment(name="shop")
    made = [one.completed(deployment, None) for one in builder.requires]  # pyright: ignore[reportArgumentType]
    return [one for one in made if isinstance(one, OwnedAutomation)]


def test_a_change_is_looked_at_once_for_all_environments() -> None:
    """Where one run serves all, there is one automation, which says so; otherwise there is one for each, as before."""
    (one,) = automations(watch_deployments(flows=("load",), environments=("dev", "prod"), at_once=True))
    flow = one.flow
    assert one.name == f"{flow}-shop: when deployments in dev, prod change"
    assert one.does().model_dump()["parameters"] == {"environments": ["dev", "prod"]}
    assert one.about() == (
        f"When somebody changes or deletes a deployment of load, {flow}/shop runs for dev, prod, 30 seconds later and once for "
        "all changes until then."
    )
    dev, prod = automations(watch_deployments(flows=("load",), environments=("dev", "prod")))
    assert dev.does().model_dump()["parameters"] == {"environment": "dev"}
    assert prod.name == f"{flow}-shop: when deployments in prod change"


def test_an_automation_on_states_says_what_it_does() -> None:
    """Project, deployment, states and action are in its description."""
    (one,) = automations(notify(block="slack-webhook/on-call", states=("Failed", "Crashed")))
    assert one.about() == (
        f"Project {one.project}: when a run of {one.flow}/shop is Failed or Crashed, notify slack-webhook/on-call."
    )
