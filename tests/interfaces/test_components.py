"""Components: data with a key, which may be left open until a deployment needs them."""

from __future__ import annotations

import pytest
from fakes import FakeHost
from pydantic import ValidationError
from values import a_deployment

from meta_prefect.interfaces.components import Component, GlobalConcurrencyLimit, Worker, WorkerPool, WorkQueue

HOST = FakeHost()

KEYS = [
    pytest.param(WorkerPool(name="a"), ("work pool", "a"), "work pool a", id="pool"),
    pytest.param(Worker(name="a", pool="p"), ("worker", "a"), "worker a", id="worker"),
    pytest.param(WorkQueue(name="a", pool="p"), ("work queue", "p/a"), "work queue p/a", id="queue, within its pool"),
    pytest.param(GlobalConcurrencyLimit(name="a"), ("concurrency limit", "a"), "concurrency limit a", id="limit"),
]


@pytest.mark.parametrize(("component", "key", "text"), KEYS)
def test_a_component_is_known_by_kind_and_name(component: Component, key: tuple[str, str], text: str) -> None:
    """Key, hash and text follow from kind and name alone."""
    assert component.key == key
    assert hash(component) == hash(key)
    assert str(component) == text


def test_components_go_into_sets() -> None:
    """The same twice is once, though templates are dictionaries; other settings are another value under the same key."""
    plain, limited = WorkerPool(name="a", template={"x": {}}), WorkerPool(name="a", concurrency_limit=3)

    assert {plain, WorkerPool(name="a", template={"x": {}})} == {plain}
    assert plain.key == limited.key
    assert plain != limited


@pytest.mark.parametrize("kind", [WorkerPool, Worker, WorkQueue, GlobalConcurrencyLimit])
def test_arguments_are_optional(kind: type[Component]) -> None:
    """Every component can be written down without arguments."""
    assert kind().name == ""


def a_queue(name: str, pool: str) -> WorkQueue:
    """A queue for the project and environment of a deployment."""
    return WorkQueue(name=name, pool=pool, project="shop", environment="dev")


COMPLETIONS = [
    pytest.param(WorkerPool(), "pool", WorkerPool(name="pool"), id="the deployment's pool"),
    pytest.param(WorkerPool(), None, WorkerPool(name="local-pool"), id="else this host's own"),
    pytest.param(WorkerPool(name="mine"), "pool", WorkerPool(name="mine"), id="a pool with a name"),
    pytest.param(Worker(), "pool", Worker(name="pool-worker", pool="pool"), id="a worker for the deployment's pool"),
    pytest.param(Worker(), None, Worker(name="local-pool-worker", pool="local-pool"), id="else for this host's"),
    pytest.param(Worker(pool="a"), "pool", Worker(name="a-worker", pool="a"), id="a worker for a pool"),
    pytest.param(Worker(name="w"), "pool", Worker(name="w", pool="pool"), id="a worker with a name"),
    pytest.param(
        WorkQueue(),
        "pool",
        a_queue("default", "pool"),
        id="the default queue",
    ),
    pytest.param(
        WorkQueue(name="q"),
        None,
        a_queue("q", "local-pool"),
        id="a queue of this host's pool",
    ),
]


@pytest.mark.parametrize(("component", "pool", "expected"), COMPLETIONS)
def test_what_is_left_open_comes_from_the_deployment_or_the_host(
    component: Component, pool: str | None, expected: Component
) -> None:
    """`WorkerPool()` and `Worker()` mean those of the deployment, and otherwise those of this host."""
    assert component.completed(a_deployment(work_pool_name=pool), HOST) == expected


def test_a_nameless_queue_is_the_one_that_the_deployment_uses() -> None:
    """A queue takes its name from the deployment."""
    completed = WorkQueue().completed(a_deployment(work_queue_name="fast"), HOST)

    assert completed.key == ("work queue", "pool/fast")


def test_completing_makes_another_value() -> None:
    """A component is data: one that several deployments share is not changed by any of them."""
    open_pool = WorkerPool()
    open_pool.completed(a_deployment(), HOST)

    assert open_pool.name == ""
    with pytest.raises(ValidationError, match="frozen"):
        open_pool.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", ["a/b", "a%b", "a&b", "a<b", "a>b"])
def test_names_that_prefect_refuses_are_refused_at_once(name: str) -> None:
    """The server would answer with an internal error; here the name and the character are named."""
    with pytest.raises(ValidationError, match="which does not work in Prefect names"):
        WorkerPool(name=name)


def test_a_misspelt_setting_is_refused() -> None:
    """No setting is ignored silently."""
    with pytest.raises(ValidationError, match="concurency_limit"):
        WorkerPool.model_validate({"concurency_limit": 3})
