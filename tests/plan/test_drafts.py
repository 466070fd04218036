"""A deployment on its way through its builders, and what becomes of their mistakes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, cast

import pytest
from fakes import FakeHost
from values import a_deployment, a_draft, a_flow

from meta_prefect.engine.resolve import Draft
from meta_prefect.errors import BuilderError, ConfigurationError, RecipeError
from meta_prefect.implementations.infra import local_process
from meta_prefect.interfaces.components import Component, Worker, WorkerPool, WorkQueue
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.interfaces.schedules import Schedule

ANY_FLOW = a_flow(parameter_schema={"properties": {"x": {}}})
PLACE = "meta_prefect.yaml:3: builder step of add/nightly-dev"

Update = Callable[[Any], object]
"""What a builder does with a deployment."""


def builder(update: Update, requires: Any = ()) -> FlowBuilderInterface:
    """A builder made of a function."""

    class step(FlowBuilderInterface):  # noqa: N801 - shown in messages
        @property
        def requires(self) -> Any:
            return requires() if callable(requires) else requires

        def update_deployment(self, deployment: Deployment) -> Deployment:
            return cast("Deployment", update(deployment))  # whatever it is

    return step()


def in_place(change: Update) -> FlowBuilderInterface:
    """A builder that changes its argument and returns it."""

    def update(deployment: Deployment) -> Deployment:
        change(deployment)
        return deployment

    return builder(update)


def requiring(*components: Component) -> FlowBuilderInterface:
    """A builder that requires components and does nothing."""
    return builder(lambda it: it, components)


def built(*builders: FlowBuilderInterface, **changes: Any) -> Draft:
    """A draft after all its builders."""
    draft = a_draft(*builders, **changes)
    for one in builders:
        draft.apply(one)
    draft.complete(FakeHost())
    return draft


def raising(error: Exception) -> Update:
    """A function that raises."""

    def update(deployment: Deployment) -> Any:
        deployment.tags.append("half done")
        raise error

    return update


def setting(**values: Any) -> Update:
    """A function that sets fields."""

    def update(deployment: Deployment) -> Deployment:
        for name, value in values.items():
            setattr(deployment, name, value)
        return deployment

    return update


MISTAKES: dict[str, tuple[Update, str]] = {
    "raises": (raising(KeyError("STAGE")), "KeyError: 'STAGE'"),
    "raises an error of ours": (raising(RecipeError("no")), "no"),
    "returns None": (lambda _: None, "update_deployment returned None, which is no deployment"),
    "returns a dictionary": (lambda _: {"name": "x"}, "update_deployment returned {'name': 'x'}, which"),
    "a bad name": (setting(name="a/b"), "name: 'a/b' holds /, which does not work in Prefect names (got 'a/b')"),
    "a bad number": (setting(concurrency_limit=-1), "concurrency_limit: Input should be greater than"),
    "a field that is none": (setting(storage="s3"), "storage: "),
    "another flow": (setting(flow=a_flow(name="other")), "flow: Field is frozen"),
}


@pytest.mark.parametrize(("update", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_builder_s_mistake_names_builder_and_deployment(update: Update, message: str) -> None:
    """Whatever a builder does wrong becomes an error with its place, never a traceback, and changes nothing."""
    draft = built(builder(update))

    (error,) = draft.errors
    assert error.message.startswith(message)
    assert error.where == PLACE
    assert draft.deployment.tags == a_deployment().tags


def test_an_error_that_knows_its_place_keeps_it() -> None:
    """A builder may say more precisely what is wrong where; the entry that asked for it stands before that."""
    draft = built(builder(raising(ConfigurationError("no such day", where="holidays.ics:7"))))

    assert [error.where for error in draft.errors] == ["meta_prefect.yaml:3: holidays.ics:7"]


def test_after_a_mistake_nothing_more_is_done() -> None:
    """Further builders leave the deployment alone: one cause, one error."""
    draft = built(builder(lambda _: None), builder(raising(RuntimeError())), builder(setting(name="later")))

    assert len(draft.errors) == 1
    assert draft.deployment.name == "nightly-dev"
    assert draft.components == ()


CHANGES_IN_PLACE: dict[str, Update] = {
    "tags": lambda it: it.tags.append("mine"),
    "deep in parameters": lambda it: it.parameters["deep"]["list"].append(1),
    "job variables": lambda it: it.job_variables.update(a=1),
    "pull steps": lambda it: it.pull_steps[0].update(a=1),
    "schedules": lambda it: it.schedules.pop(),
    "parameters of a schedule": lambda it: it.schedules[0].parameters.update(a=1),
    "name": setting(name="x"),
}


@pytest.mark.parametrize("change", CHANGES_IN_PLACE.values(), ids=CHANGES_IN_PLACE)
def test_every_builder_has_a_copy_of_its_own(change: Update) -> None:
    """Deployments that were made of the same values do not see each other's changes in place."""
    shared: dict[str, Any] = {
        "tags": ["a"],
        "parameters": {"deep": {"list": []}},
        "job_variables": {},
        "pull_steps": [{}],
        "schedules": [Schedule(slug="s", cron="0 9 * * *")],
    }
    template = a_deployment(**shared)
    one, other = (Draft("here", (), template) for _ in range(2))
    untouched = template.model_copy(deep=True)
    one.apply(in_place(change))

    assert one.errors == other.errors == []
    assert other.deployment == template == untouched
    assert one.deployment != untouched


def test_a_private_copy_shares_what_is_read_only() -> None:
    """Copying the schemas and contexts of a thousand deployments would cost more than all else."""
    deployment = a_deployment()
    copy = deployment.private_copy()

    assert copy == deployment
    assert copy.flow is deployment.flow
    assert copy.context is deployment.context


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        pytest.param({"name": ""}, "no builder gives the deployment a name", "namer", id="no name"),
        pytest.param(
            {"work_pool_name": None},
            "no builder says where add/nightly-dev runs",
            "local_process",
            id="no infrastructure",
        ),
    ],
)
def test_what_no_deployment_can_do_without(fields: dict[str, Any], message: str, hint: str) -> None:
    """A name and a work pool are needed; the error says which builder brings them."""
    (error,) = built(**fields).errors

    assert error.message == message
    assert error.where == "meta_prefect.yaml:3"
    assert hint in str(error.hint)


WRONG_IN_PLACE: dict[str, tuple[Update, str]] = {
    "a number in the tags": (lambda it: it.tags.append(3), "tags.0: Input should be a valid string (got 3)"),
    "an object in parameters": (
        lambda it: it.parameters.update(x=object()),
        "holds something that has no JSON form",
    ),
}


@pytest.mark.parametrize(("change", "message"), WRONG_IN_PLACE.values(), ids=WRONG_IN_PLACE)
def test_changes_in_place_are_checked_too(change: Update, message: str) -> None:
    """What was put into a list or dictionary directly is found before anything is written."""
    (error,) = built(in_place(change), tags=[], flow=ANY_FLOW).errors

    assert isinstance(error, BuilderError)
    assert error.message.startswith(message)
    assert error.where == "meta_prefect.yaml:3: add/nightly-dev"


def test_values_get_their_json_form() -> None:
    """What Python has and JSON has not is written as JSON has it, and compares equal with what the server returns."""
    draft = built(
        parameters={"x": (1, date(2026, 1, 2))},
        schedules=[Schedule(slug="s", cron="0 9 * * *", parameters={"x": (1,)})],
        flow=ANY_FLOW,
    )

    assert draft.errors == []
    assert draft.deployment.parameters == {"x": [1, "2026-01-02"]}
    assert [schedule.parameters for schedule in draft.deployment.schedules or ()] == [{"x": [1]}]


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        pytest.param(lambda: [1][1], "its `requires` raised IndexError: list index out of range", id="raises"),
        pytest.param(3, "its `requires` raised TypeError: 'int' object is not iterable", id="is no list"),
        pytest.param({"pool"}, "its `requires` holds 'pool', which is no component", id="holds a name"),
        pytest.param([WorkerPool], "its `requires` holds <class", id="holds a class"),
    ],
)
def test_a_mistake_in_requires_names_the_builder(requires: Any, message: str) -> None:
    """The other method of a builder is treated alike."""
    (error,) = built(builder(lambda it: it, requires)).errors

    assert isinstance(error, BuilderError)
    assert error.message.startswith(message)
    assert error.where == PLACE


POOL, WORKER, QUEUE = WorkerPool(name="p"), Worker(name="w", pool="p"), WorkQueue(name="q", pool="p")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param([[POOL, WORKER]], [POOL, WORKER], id="as asked"),
        pytest.param([[WORKER, QUEUE, POOL]], [POOL, WORKER, QUEUE], id="a pool comes first"),
        pytest.param([[WORKER], [POOL]], [POOL, WORKER], id="whichever builder asks for it"),
        pytest.param([[POOL, WORKER], [POOL]], [POOL, WORKER], id="the same twice is once"),
        pytest.param([{WORKER, QUEUE, POOL}], [POOL, QUEUE, WORKER], id="a set has one order"),
    ],
)
def test_components_are_in_the_order_in_which_they_are_written(wanted: list[Any], expected: list[Component]) -> None:
    """Each once, pools before what lives in them."""
    assert list(built(*(builder(lambda it: it, each) for each in wanted)).components) == expected


def test_a_component_s_own_requirements_come_before_it() -> None:
    """A component may need others, which need others."""

    class Needing(WorkQueue):
        """A queue that needs another one."""

        needs: WorkQueue

        @property
        def requires(self) -> tuple[Component, ...]:
            """The other queue."""
            return (self.needs,)

    inner = Needing(name="inner", pool="p", needs=QUEUE)
    outer = Needing(name="outer", pool="p", needs=inner)

    assert [component.name for component in built(requiring(outer, QUEUE)).components] == ["q", "inner", "outer"]


def test_the_outermost_pool_is_the_one_that_it_runs_in() -> None:
    """As everywhere, the outer builder overrides."""
    draft = built(requiring(WorkerPool(name="inner")), requiring(WorkerPool(name="outer")), work_pool_name=None)

    assert draft.deployment.work_pool_name == "outer"


def test_a_pool_that_a_builder_names_is_not_replaced() -> None:
    """Requiring a pool says that it must exist, not that the deployment runs there."""
    assert built(requiring(WorkerPool(name="other")), work_pool_name="mine").deployment.work_pool_name == "mine"


def test_the_local_pool_is_the_host_s() -> None:
    """Nameless components are completed from the host."""
    draft = built(local_process(), work_pool_name=None)

    assert draft.deployment.work_pool_name == "local-pool"
    assert [component.name for component in draft.components] == ["local-pool", "local-pool-worker"]


def test_one_component_with_two_settings_is_a_conflict() -> None:
    """Two builders of one deployment disagree: the error shows both settings, and nothing is written."""
    draft = built(requiring(WorkerPool(name="p", concurrency_limit=1)), requiring(WorkerPool(name="p", type="docker")))

    (error,) = draft.errors
    assert error.message == (
        "asked for twice with different settings (concurrency_limit: 1 or None; type: 'process' or 'docker')"
    )
    assert error.where == "meta_prefect.yaml:3: work pool p"


def test_all_that_is_wrong_is_found_at_once() -> None:
    """Parameters are checked after the builders; every mistake is one error with its place."""
    errors = built(parameters={"x": "one", "z": 1}).errors

    assert [str(error).splitlines()[0] for error in errors] == [
        "meta_prefect.yaml:3: parameters of add/nightly-dev: x: 'one' is not of type 'integer'",
        "meta_prefect.yaml:3: parameters of add/nightly-dev: the flow has no parameter 'z'",
    ]
