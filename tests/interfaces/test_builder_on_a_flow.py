"""A builder applied to a flow: a new flow that carries it and is a flow in every other way."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from typing import Any, assert_type

import pytest
from prefect import Flow, flow
from values import sent

from meta_prefect.errors import BuilderError
from meta_prefect.implementations.metadata import namer, tags_resolver
from meta_prefect.interfaces.deployable_flow import DeployableFlow
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface, builders_of

NAMER = namer(name="nightly")
TAGS = tags_resolver(tags=("team",))


@flow(description="Adds.", retries=2)
def add(x: int, y: int = 2) -> int:
    """Add two numbers."""
    return x + y


def tell(flow: Any, flow_run: Any, state: Any) -> None:
    """A hook."""


def names(flow: object) -> list[str]:
    """The kinds of builder that a flow carries."""
    return [type(builder).__name__ for builder in builders_of(flow)]


def test_the_original_is_untouched() -> None:
    """Applying a builder gives a new flow; one flow can so be deployed in many ways."""
    dev, prod = namer(name="dev")(add), namer(name="prod")(add)

    assert builders_of(add) == ()
    assert type(add) is Flow
    assert (builders_of(dev), builders_of(prod)) == ((namer(name="dev"),), (namer(name="prod"),))


def test_the_new_flow_is_a_flow_like_the_original() -> None:
    """Name, options, description and parameters stay."""
    made = NAMER(add)

    assert isinstance(made, Flow)
    assert (made.name, made.retries, made.description) == ("add", 2, "Adds.")
    assert made.parameters == add.parameters
    assert made.fn(1) == made.fn(1, 2) == 3


def test_type_checkers_see_the_flow_s_own_types() -> None:
    """Parameters and result of a decorated flow are checked where it is called."""
    made = NAMER(add)

    assert_type(made.fn(1, 2), int)
    assert_type(NAMER(TAGS), FlowBuilderInterface)
    assert_type(NAMER | TAGS, FlowBuilderInterface)


def test_builders_are_listed_innermost_first() -> None:
    """The builder that stands next to the flow comes first, so that those above it override."""
    assert names(TAGS(NAMER(add))) == ["namer", "tags_resolver"]
    assert names(NAMER(TAGS(add))) == ["tags_resolver", "namer"]


def test_as_a_decorator() -> None:
    """Builders stand above `@flow`, as decorators do."""

    @NAMER
    @TAGS
    @flow
    def nightly() -> str:
        return "done"

    assert names(nightly) == ["tags_resolver", "namer"]
    assert nightly.fn() == "done"


@pytest.mark.parametrize(
    "options", [{"name": "sum"}, {"retries": 5}, {"timeout_seconds": 3, "log_prints": True}], ids=str
)
def test_with_options_keeps_the_builders(options: dict[str, Any]) -> None:
    """A flow with other options is deployed as before."""
    made = NAMER(add).with_options(**options)

    assert builders_of(made) == (NAMER,)
    assert {name: getattr(made, name) for name in options} == options
    assert builders_of(made.with_options(name="again")) == (NAMER,)


def test_hooks_are_not_shared() -> None:
    """A hook that is added to one flow does not run for the other."""
    made = NAMER(add)
    made.on_failure(tell)

    assert made.on_failure_hooks == [tell]
    assert (add.on_failure_hooks, add.on_completion_hooks, add.on_running_hooks) == ([], [], [])


def test_hooks_of_the_original_stay() -> None:
    """What the flow did on failure, the new one does too."""
    careful = add.with_options(on_failure=[tell])

    assert NAMER(careful).on_failure_hooks == [tell]


def test_it_survives_cloudpickle() -> None:
    """Dask and Ray send flows to other processes."""
    returned = sent(NAMER(add))

    assert builders_of(returned) == (NAMER,)
    assert type(returned) is DeployableFlow
    assert returned.fn(1) == 3


def test_copies_carry_the_builders() -> None:
    """Copying a flow is no way to lose how it is deployed."""
    assert builders_of(copy.copy(NAMER(add))) == (NAMER,)


def test_asynchronous_flows() -> None:
    """An asynchronous flow stays one."""

    @NAMER
    @flow
    async def fetch() -> str:
        return "fetched"

    assert fetch.isasync
    assert asyncio.run(fetch.fn()) == "fetched"


def test_generator_flows() -> None:
    """A generator stays one."""

    @NAMER
    @flow
    def pages() -> Iterator[int]:
        yield from (1, 2)

    assert pages.isgenerator
    assert list(pages.fn()) == [1, 2]


def test_methods() -> None:
    """A flow in a class carries its builders however it is reached."""

    class Shop:
        rate = 3

        @NAMER
        @flow
        def price(self, x: int) -> int:
            return self.rate * x

    shop = Shop()

    assert builders_of(shop.price) == builders_of(Shop.price) == (NAMER,)
    assert shop.price.fn(shop, 2) == 6


def test_a_flow_of_a_class_of_its_own_keeps_it() -> None:
    """Subclasses of Flow, such as Prefect's own of its infrastructure decorators, are not replaced."""

    class CountedFlow(Flow[..., Any]):
        """A flow of somebody's own."""

    made = NAMER(CountedFlow(lambda: 1, name="counted"))

    assert type(made) is CountedFlow
    assert builders_of(made) == (NAMER,)


@pytest.mark.parametrize("thing", [3, "add", None, [add]], ids=["a number", "a text", "nothing", "a list"])
def test_something_else_is_refused(thing: Any) -> None:
    """Whatever is no flow, builder or decorator is an error that says what a builder is for."""
    with pytest.raises(BuilderError, match="builder name: cannot be applied to") as refused:
        NAMER(thing)
    assert "applied to a flow, to another builder, or to a flow decorator" in str(refused.value)
