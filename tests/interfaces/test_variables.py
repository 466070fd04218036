"""Prefect variables as components: what is compared, and what no variable may hold."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import FakeHost
from values import a_context, a_deployment

from meta_prefect.engine.referring import check_cycles
from meta_prefect.engine.resolve import Draft
from meta_prefect.implementations.notification import run_triggers
from meta_prefect.interfaces.components import Automation, Component, RunDeployment, RunState, Variable


def completed(**settings: Any) -> Variable:
    """A variable of the project ``shop``, in ``dev``."""
    deployment = a_deployment(context=a_context(renamed_from=("store",)))
    return Variable(**settings).completed(deployment, FakeHost())


def changes(variable: Variable, live: dict[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    """What is to change of one that is there."""
    return {one.path: (one.before, one.after) for one in variable.compare(live)}


def test_a_variable_is_marked_and_compared_as_a_whole() -> None:
    """Its value counts to the last key, operators' tags stay, a former name of the project becomes the present one."""
    variable = completed(name="rows_{env}", value={"a": 1})

    assert variable.name == "rows_dev"
    assert changes(variable, {"value": {"a": 1}, "tags": ["meta-prefect=shop", "mine"]}) == {}
    assert changes(variable, {"value": {"a": 1, "b": 2}, "tags": ["meta-prefect=shop", "mine"]}).keys() == {"value.b"}
    found = changes(variable, {"value": {"a": 1}, "tags": ["meta-prefect=store"]})
    assert found == {"tags": (["meta-prefect=store"], ["meta-prefect=shop"])}


@pytest.mark.parametrize(("name", "value"), [("db_password", "hush"), ("db", {"api_key": "hush"}), ("a b", 1)])
def test_no_secret_becomes_a_variable(name: str, value: Any) -> None:
    """Anybody may read it, so that what looks like a secret is refused; so is what is no name, before Prefect does."""
    with pytest.raises(ValueError, match=r"looks like a secret|is no name of a variable"):
        Variable(name=name, value=value)


def runs(name: str, target: str, state: RunState = "Completed") -> Draft:
    """A deployment after whose runs another one is run."""
    action = RunDeployment(deployment=f"add/{target}-dev")
    automation: Component = Automation(flow="add", deployment=f"{name}-dev", states=(state,), action=action)
    return Draft("here", (), a_deployment(name=f"{name}-dev"), components=(automation,))


@pytest.mark.parametrize(
    ("chain", "rings"),
    [
        ([("a", "b"), ("b", "c"), ("c", "d")], set[str]()),
        ([("a", "a")], {"a-dev"}),
        ([("a", "b"), ("b", "c"), ("c", "b")], {"b-dev", "c-dev"}),
    ],
)
def test_deployments_that_start_each_other_for_ever_are_refused(chain: list[tuple[str, str]], rings: set[str]) -> None:
    """Each that is in the ring is told with the way round; what only leads there is not, nor what runs again when it failed."""
    drafts = [runs(*pair) for pair in chain]

    check_cycles(drafts)

    assert {one.deployment.name for one in drafts if one.errors} == rings
    told = [str(error) for one in drafts for error in one.errors]
    assert all("starts itself again, for ever: add/" in one for one in told)
    retried = [runs(*pair, "Failed") for pair in chain]
    check_cycles(retried)
    assert not any(one.errors for one in retried)


def follows(name: str, other: str, event: str = "Completed") -> Draft:
    """A deployment that a trigger runs after runs of another one."""
    related = [
        {"prefect.resource.role": "deployment", "prefect.resource.name": f"{other}-dev"},
        {"prefect.resource.role": "flow", "prefect.resource.name": "add"},
    ]
    asked = run_triggers.model_validate({"triggers": {"expect": f"prefect.flow-run.{event}", "match_related": related}})
    deployment = a_deployment(name=f"{name}-dev")
    return Draft(
        "here", (), deployment, components=tuple(one.completed(deployment, FakeHost()) for one in asked.requires)
    )


def test_a_ring_may_be_closed_by_triggers() -> None:
    """Two follow each other by triggers of their own; at another event there is no ring."""
    ring, none = [follows("a", "b"), follows("b", "a")], [follows("a", "b"), follows("b", "a", "Failed")]

    check_cycles(ring)
    check_cycles(none)

    assert "add/a-dev runs add/b-dev runs add/a-dev" in str(ring[0].errors[0])
    assert [one.errors for one in none] == [[], []]
