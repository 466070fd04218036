"""What the deployments of a batch need together, and names that meet."""

from __future__ import annotations

import pytest
from fakes import FakeHost
from values import a_draft

from meta_prefect.engine.resolve import Draft, duplicate_names, shared_components
from meta_prefect.errors import ConfigurationError, ConflictError
from meta_prefect.interfaces.components import Component, GlobalConcurrencyLimit, Worker, WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

POOL, WORKER = WorkerPool(name="p"), Worker(name="w", pool="p")
SMALL, LARGE = GlobalConcurrencyLimit(name="db", limit=1), GlobalConcurrencyLimit(name="db", limit=9)


class requiring(FlowBuilderInterface):  # noqa: N801 - used like a function
    """Requires components and does nothing."""

    def __init__(self, *components: Component) -> None:
        self._components = components

    @property
    def requires(self) -> tuple[Component, ...]:
        """The components."""
        return self._components

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Do nothing."""
        return deployment


def needing(name: str, *components: Component) -> Draft:
    """A complete draft of a deployment that needs components."""
    draft = a_draft(requiring(*components), where=f"file:{name}", name=name)
    draft.complete(FakeHost())
    return draft


def names(drafts: list[Draft]) -> list[str]:
    """The components of a batch."""
    return [component.name for component in shared_components(drafts)]


def test_a_component_that_several_need_is_there_once() -> None:
    """A hundred deployments in one pool write one pool."""
    assert names([needing("a", POOL, WORKER), needing("b", WORKER, POOL)]) == ["p", "w"]


def test_pools_come_first_whichever_deployment_asks() -> None:
    """A worker that one deployment needs waits for the pool that another one brings."""
    assert names([needing("a", WORKER), needing("b", POOL)]) == ["p", "w"]


def test_a_conflict_between_two_deployments_names_both() -> None:
    """The later one is refused, before anything is written; both settings and both deployments are named."""
    first, second = needing("a", SMALL), needing("b", LARGE)

    assert shared_components([first, second]) == [SMALL]
    assert first.errors == []
    (error,) = second.errors
    assert isinstance(error, ConflictError)
    assert str(error) == (
        "file:b: concurrency limit db (also needed by add/a): asked for twice with different settings "
        "(limit: 1 or 9)\n  Use the same settings, or two names."
    )


def test_what_only_a_refused_deployment_needs_is_left_out() -> None:
    """Nothing is written for a deployment that is not."""
    assert names([needing("a", SMALL), needing("b", LARGE, POOL)]) == ["db"]


def test_what_a_sound_deployment_needs_stays() -> None:
    """A refused deployment that needs a component too, and came first, does not take it away."""
    assert names([needing("a", SMALL), needing("b", LARGE, POOL), needing("c", POOL)]) == ["p", "db"]


def test_names_that_meet() -> None:
    """Two deployments of one name are a conflict of the second, which names the place of the first."""
    first, second, other = needing("a"), needing("a"), needing("b")
    second.where = "other:7"
    ((draft, error),) = duplicate_names([first, second, other])

    assert draft is second
    assert str(error) == ("other:7: gives the deployment 'add/a', and so does file:a\n  Give one of them another name.")


@pytest.mark.parametrize("broken", [0, 1])
def test_a_deployment_with_errors_takes_no_name(broken: int) -> None:
    """What is not deployed is in nobody's way."""
    drafts = [needing("a"), needing("a")]
    drafts[broken].errors.append(ConfigurationError("no"))

    assert duplicate_names(drafts) == []
