"""Name, tags, description and limit of a deployment."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from values import a_context, a_deployment, a_flow, built

from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.concurrency import run_limit
from meta_prefect.implementations.metadata import describer, namer, tags_resolver, versioneer


@pytest.mark.parametrize(
    ("builder", "environment", "name"),
    [
        pytest.param(namer(name="nightly"), "dev", "nightly-dev", id="in dev"),
        pytest.param(namer(name="nightly"), "prod", "nightly-prod", id="in prod"),
        pytest.param(namer(name="nightly", per_environment=False), "prod", "nightly", id="the same everywhere"),
    ],
)
def test_names(builder: namer, environment: str, name: str) -> None:
    """A deployment is named after its purpose and its environment, so that environments never meet."""
    made = built(builder, environment=environment)

    assert (made.name, made.full_name) == (name, f"add/{name}")


def test_a_name_that_prefect_refuses() -> None:
    """It is refused where it is set, before anything is sent."""
    with pytest.raises(ValidationError, match="holds /, which does not work in Prefect names"):
        built(namer(name="a/b"))


@pytest.mark.parametrize(
    ("builder", "fields", "tags"),
    [
        pytest.param(tags_resolver(), {}, ["env=dev"], id="the environment's"),
        pytest.param(tags_resolver(), {"environment": "prod"}, ["env=prod"], id="another environment's"),
        pytest.param(tags_resolver(tags=("b", "a")), {}, ["env=dev", "b", "a"], id="one's own"),
        pytest.param(
            tags_resolver(), {"context": a_context(tags=("team",))}, ["env=dev", "team"], id="META_PREFECT__TAGS"
        ),
        pytest.param(tags_resolver(), {"flow": a_flow(tags=("etl",))}, ["env=dev", "etl"], id="the flow's own"),
        pytest.param(
            tags_resolver(tags=("x",)), {"tags": ["x", "y"]}, ["x", "y", "env=dev"], id="added to what is there"
        ),
    ],
)
def test_tags(builder: tags_resolver, fields: dict[str, Any], tags: list[str]) -> None:
    """Tags come from four places and add up, each once."""
    assert built(builder, **{"tags": [], **fields}).tags == tags


@pytest.mark.parametrize(
    ("builder", "description"),
    [
        pytest.param(describer(), "Adds two numbers.", id="the flow's docstring"),
        pytest.param(describer(text="**Ours.**"), "**Ours.**", id="a text of its own"),
        pytest.param(describer(text=""), "", id="an empty text"),
    ],
)
def test_descriptions(builder: describer, description: str) -> None:
    """A deployment is described by its flow's docstring, unless it has a text of its own."""
    assert built(builder, flow=a_flow(description="Adds two numbers.")).description == description


def test_a_flow_without_a_docstring_has_no_description() -> None:
    """Nothing is made up."""
    assert built(describer()).description is None


@pytest.mark.parametrize(
    ("builder", "limit", "collision"),
    [
        pytest.param(run_limit(), 1, "ENQUEUE", id="one at a time, the next one waits"),
        pytest.param(
            run_limit(limit=3, collision="CANCEL_NEW"), 3, "CANCEL_NEW", id="three, the next one is cancelled"
        ),
        pytest.param(run_limit(limit=0), 0, None, id="no limit"),
    ],
)
def test_limits(builder: run_limit, limit: int, collision: str | None) -> None:
    """How many runs at a time, and what happens to one more."""
    made = built(builder)

    assert (made.concurrency_limit, made.collision_strategy) == (limit, collision)


def test_a_limit_that_is_not_set_is_left_alone() -> None:
    """Other builders do not touch it."""
    assert built(namer(name="nightly")).concurrency_limit is None


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        pytest.param(namer, {}, "name", id="a missing argument"),
        pytest.param(namer, {"name": "a", "per_env": False}, "per_env", id="an unknown argument"),
        pytest.param(run_limit, {"limit": -1}, "greater than or equal to 0", id="a negative limit"),
        pytest.param(run_limit, {"collision": "WAIT"}, "'ENQUEUE' or 'CANCEL_NEW'", id="an unknown strategy"),
        pytest.param(run_limit, {"grace_period": 5}, "greater than or equal to 60", id="too short a grace period"),
        pytest.param(run_limit, {"limit": 0, "grace_period": 60}, "belongs to a limit", id="a grace period alone"),
        pytest.param(versioneer, {"strategy": "incremental"}, "'increment'", id="an unknown version strategy"),
    ],
)
def test_arguments_are_checked_where_they_are_written(
    kind: type[Builder], arguments: dict[str, Any], message: str
) -> None:
    """A mistake shows on the line that holds it, not at the deploy."""
    with pytest.raises(ValidationError, match=message):
        kind(**arguments)


def test_builders_are_values() -> None:
    """Two builders with the same arguments are the same, and a builder never changes."""
    one = namer(name="nightly")

    assert one == namer(name="nightly")
    assert hash(one) == hash(namer(name="nightly"))
    with pytest.raises(ValidationError, match="frozen"):
        one.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_builder_touches_its_own_concern_only() -> None:
    """Each builder can be used alone: all other fields stay as they were."""
    before = a_deployment(parameters={"x": 1}, concurrency_limit=7)
    changed = {
        builder.title: {
            field
            for field in type(before).model_fields
            if getattr(built(builder), field) != getattr(a_deployment(), field)
        }
        for builder in (namer(name="other"), tags_resolver(tags=("x",)), describer(text="Ours."), run_limit())
    }

    assert changed == {
        "name": {"name"},
        "resolve tags": {"tags"},
        "describe": {"description"},
        "limit runs": {"concurrency_limit", "collision_strategy"},
    }
