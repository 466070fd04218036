"""A builder written by hand, as the README first showed one: a class without `super().__init__()`."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import FakeHost
from prefect import flow
from values import a_draft

from meta_prefect.errors import BuilderError
from meta_prefect.interfaces.components import Worker, WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface, builders_of


class local_deployer(FlowBuilderInterface):  # noqa: N801 - as the README spells it
    """Runs flows here."""

    def __init__(self) -> None:
        pass

    @property
    def requires(self) -> Any:
        """What must be there first, as a set."""
        return {WorkerPool(), Worker()}

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Change the deployment in place."""
        deployment.job_variables["stream_output"] = True
        deployment.tags.append("local")
        return deployment


class list_deployer(local_deployer):  # noqa: N801 - used like a function
    """Requires a list, in the wrong order."""

    @property
    def requires(self) -> Any:
        """What must be there first."""
        return [Worker(), WorkerPool()]


class copying_deployer(local_deployer):  # noqa: N801 - used like a function
    """Returns another deployment instead."""

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Make a copy with what is new."""
        return deployment.model_copy(
            update={"job_variables": {"stream_output": True}, "tags": [*deployment.tags, "local"]}
        )


class printed_deployer(local_deployer):  # noqa: N801 - used like a function
    """To the letter of that text, which cannot be run: `set` takes one argument."""

    @property
    def requires(self) -> Any:
        """What must be there first."""
        return set(WorkerPool(), Worker())  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


class run_config_deployer(local_deployer):  # noqa: N801 - used like a function
    """Sets what Prefect no longer has."""

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Change the flow, which is read-only."""
        flow: Any = deployment.flow
        flow.run_config = "LocalRun()"
        return deployment


@pytest.mark.parametrize("deployer", [local_deployer, list_deployer, copying_deployer])
def test_it_builds_a_deployment(deployer: type[local_deployer]) -> None:
    """Changing the argument and returning another one, a set and a list: all are right; a pool comes before its worker."""
    draft = a_draft(deployer(), work_pool_name=None)
    draft.apply(deployer())
    draft.complete(FakeHost())

    assert draft.errors == []
    assert draft.deployment.tags == ["meta-prefect=shop", "env=dev", "local"]
    assert draft.deployment.work_pool_name == "local-pool"
    assert [component.key for component in draft.components] == [
        ("work pool", "local-pool"),
        ("worker", "local-pool-worker"),
    ]


def test_it_decorates_a_flow() -> None:
    """It is used as any other: above `@flow`."""

    @local_deployer()
    @flow
    def add(x: int, y: int) -> int:
        return x + y

    assert [type(builder) for builder in builders_of(add)] == [local_deployer]
    assert add.fn(1, 2) == 3


@pytest.mark.parametrize(
    ("deployer", "message"),
    [
        pytest.param(
            printed_deployer, "its `requires` raised TypeError: set expected at most 1 argument", id="set(a, b)"
        ),
        pytest.param(run_config_deployer, "run_config: Instance is frozen", id="run_config"),
    ],
)
def test_what_cannot_run_is_named(deployer: type[local_deployer], message: str) -> None:
    """The parts of that first example that do not run are errors that name the builder and the deployment."""
    draft = a_draft(deployer(), work_pool_name=None)
    draft.apply(deployer())
    draft.complete(FakeHost())

    (error,) = draft.errors
    assert isinstance(error, BuilderError)
    assert message in error.message
    assert error.where == f"meta_prefect.yaml:3: builder {deployer.__name__} of add/nightly-dev"
