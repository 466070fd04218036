"""Builders applied to builders and to flow decorators."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, assert_type, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prefect import flow
from values import a_deployment, built, sent

from meta_prefect.errors import BuilderError
from meta_prefect.implementations.metadata import describer, namer, tags_resolver, versioneer
from meta_prefect.interfaces.components import Component, WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import Chain, FlowBuilderInterface, builders_of, flatten

INNER, OUTER = namer(name="inner"), namer(name="outer")


class Noting(FlowBuilderInterface):
    """Notes in the description that it was there, and asks for a pool of its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.acted: list[str] = []

    @property
    def requires(self) -> list[Component]:
        """A pool."""
        return [WorkerPool(name=self.name)]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Note the name."""
        deployment.description = (deployment.description or "") + self.name
        return deployment

    def after_deployment(self, deployment: Deployment) -> None:
        """Note the deployment."""
        self.acted.append(deployment.full_name)

    def __repr__(self) -> str:
        return self.name


A, B, C = Noting("a"), Noting("b"), Noting("c")

COMPOSITIONS: dict[str, Callable[[], FlowBuilderInterface]] = {
    "pipes": lambda: A | B | C,
    "calls": lambda: C(B(A)),
    "pipes, grouped to the right": lambda: A | (B | C),
    "calls, grouped to the right": lambda: C(B)(A),
    "a chain": lambda: Chain(A, B, C),
    "a chain of chains": lambda: Chain(A, Chain(Chain(), B), C),
    "with an empty chain": lambda: Chain() | A | B | C,
}


@pytest.mark.parametrize("compose", COMPOSITIONS.values(), ids=COMPOSITIONS.keys())
def test_every_way_to_compose_means_the_same(compose: Callable[[], FlowBuilderInterface]) -> None:
    """`a | b` is `b(a)`: first a, then b; grouping changes nothing."""
    builder = compose()

    assert flatten(builder) == (A, B, C)
    assert built(builder).description == "abc"
    assert [component.name for component in builder.requires] == ["a", "b", "c"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=6))
def test_a_composition_applies_its_builders_in_order(names: list[str]) -> None:
    """However many there are, each has its say once, in order."""
    builder: FlowBuilderInterface = Chain()
    for name in names:
        builder |= Noting(name)

    assert built(builder).description == "".join(names)


def test_the_outer_builder_overrides() -> None:
    """Where two builders set one field, the outer one wins: whoever composes has the last word."""
    assert built(OUTER(INNER)).name == "outer-dev"
    assert built(INNER | OUTER).name == "outer-dev"


def test_tags_add_up() -> None:
    """Tags are added, not overridden."""
    made = built(tags_resolver(tags=("a", "b")) | tags_resolver(tags=("b", "c")), tags=[])

    assert made.tags == ["env=dev", "a", "b", "c"]


def test_a_composition_on_a_flow_lies_open() -> None:
    """A flow carries single builders, so that each is a step of its own."""

    @flow
    def add() -> None:
        """Nothing."""

    assert builders_of((A | B)(C(add))) == (C, A, B)


def test_everybody_acts_afterwards() -> None:
    """Each builder of a composition acts after the deployment, in order."""
    one, two = Noting("one"), Noting("two")
    (one | two).after_deployment(a_deployment())

    assert (one.acted, two.acted) == (["add/nightly-dev"], ["add/nightly-dev"])


def test_compositions_can_be_read() -> None:
    """A composition shows what it is made of, as it is written."""
    assert repr(A | B | C) == "a | b | c"


@flow
def an_empty_flow() -> None:
    """Nothing."""


@pytest.mark.parametrize("other", [3, an_empty_flow], ids=["a number", "a flow"])
def test_a_pipe_joins_builders_only(other: Any) -> None:
    """`builder | flow` is a mistake that never runs the flow."""
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = INNER | other


wrapped = versioneer()(tags_resolver())(flow)
"""As the README writes it before `@flow(...)`."""


def test_a_flow_decorator_bare() -> None:
    """A wrapped decorator is used as `@flow` is: without parentheses; type checkers see what `@flow` makes."""

    @wrapped
    def add(x: int) -> int:
        return x

    assert_type(add.fn(1), int)

    assert [type(builder).__name__ for builder in builders_of(add)] == ["tags_resolver", "versioneer"]
    assert add.fn(1) == 1


def test_a_flow_decorator_with_arguments() -> None:
    """A wrapped decorator is used as `@flow(...)` is: with its arguments; others may stand above it."""

    @OUTER
    @wrapped(name="sum", retries=2)
    def add(x: int) -> int:
        return x

    assert [type(builder).__name__ for builder in builders_of(add)] == ["tags_resolver", "versioneer", "namer"]
    assert (add.name, add.retries) == ("sum", 2)


def test_a_wrapped_decorator_wrapped_again() -> None:
    """What was wrapped last lies outside."""

    @OUTER(INNER(flow))
    def add() -> None:
        """Nothing."""

    assert builders_of(add) == (INNER, OUTER)


def test_decorators_of_one_s_own() -> None:
    """Whatever makes flows can be wrapped: a partial, or a function around `flow`."""
    patient = cast("Callable[..., Any]", partial(flow, retries=9))

    @INNER(patient)
    def one() -> None:
        """Nothing."""

    def team_flow(function: Callable[..., Any]) -> Any:
        return flow(name="team-flow")(function)

    @INNER(team_flow)
    def two() -> None:
        """Nothing."""

    assert (builders_of(one), one.retries) == ((INNER,), 9)
    assert (builders_of(two), two.name) == ((INNER,), "team-flow")


def test_a_wrapped_decorator_offers_what_the_decorator_offers() -> None:
    """`flow.from_source` and the like are still there."""
    decorator: Any = wrapped

    assert decorator.from_source == getattr(flow, "from_source")  # noqa: B009 - not in Prefect's types
    with pytest.raises(AttributeError, match="from_sauce"):
        _ = decorator.from_sauce


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, sent], ids=["copy", "deep copy", "pickle"])
def test_a_wrapped_decorator_can_be_copied(again: Callable[[Any], Any]) -> None:
    """A function that mentions it travels to other processes."""

    @again(INNER(flow))
    def add() -> None:
        """Nothing."""

    assert builders_of(add) == (INNER,)


def test_a_plain_function_is_told_what_is_missing() -> None:
    """A builder on a function without `@flow` is an error at the first call, which says what to do."""

    @INNER
    def add(x: int, y: int) -> int:
        return x + y

    with pytest.raises(BuilderError, match="neither a flow nor a flow decorator") as refused:
        add(1, 2)
    assert refused.value.where == "builder name"
    assert refused.value.hint == "Put the builder above @flow."


@pytest.mark.parametrize(
    ("builder", "title"),
    [
        pytest.param(A, "noting", id="from the class"),
        pytest.param(
            type("FreezeTheWeekend", (Noting,), {})("x"), "freeze the weekend", id="from a class in camel case"
        ),
        pytest.param(type("local_deployer", (Noting,), {})("x"), "local deployer", id="from a class in snake case"),
        pytest.param(describer(), "describe", id="said by the builder"),
    ],
)
def test_titles(builder: FlowBuilderInterface, title: str) -> None:
    """Each builder has a title, the name of its step in the Prefect UI."""
    assert builder.title == title


def test_the_default_is_to_require_nothing_and_to_do_nothing_afterwards() -> None:
    """A builder needs one method only."""

    class Minimal(FlowBuilderInterface):
        def update_deployment(self, deployment: Deployment) -> Deployment:
            return deployment

    assert list(Minimal().requires) == []
    Minimal().after_deployment(a_deployment())
