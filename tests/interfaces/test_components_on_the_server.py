"""How components are read, compared and written, through an API in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from fakes import PROCESS_TEMPLATE, FakeApi, FakeHost, an_online_worker
from values import a_deployment

from meta_prefect.errors import ConflictError, ProcessError
from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.components import (
    Component,
    GlobalConcurrencyLimit,
    Worker,
    WorkerPool,
    WorkQueue,
    template_of,
)
from meta_prefect.interfaces.json_diff import FieldChange, Record, differences_within

TEMPLATE: Record = {
    "variables": {"properties": {"meta_env": {"type": "string"}}},
    "job_configuration": {"env": {"STAGE": "{{ meta_env }}"}},
}


def changes(component: Component, api: Api) -> dict[str, tuple[Any, Any]]:
    """What a component wants to change on a server: before and after, by path."""
    found = component.compare(asyncio.run(component.read(api)))
    return {change.path: (change.before, change.after) for change in found}


def ensure(component: Component, api: Api) -> None:
    """Read, compare, and write if something differs."""

    async def run() -> None:
        live = await component.read(api)
        if tuple(component.compare(live)):
            await component.write(api, live)

    asyncio.run(run())


def remarks(component: Component, api: Api) -> list[str]:
    """What a component has to say beyond its changes."""
    return list(component.remarks(asyncio.run(component.read(api))))


ALL = [
    pytest.param(WorkerPool(name="p", template=TEMPLATE, description="Ours.", concurrency_limit=2), id="pool"),
    pytest.param(WorkQueue(name="q", pool="p", priority=1), id="queue"),
    pytest.param(GlobalConcurrencyLimit(name="g", limit=3, slot_decay_per_second=0.5), id="limit"),
]


@pytest.mark.parametrize("component", ALL)
def test_writing_twice_changes_nothing(component: Component) -> None:
    """What was created is as wanted: nothing more is sent."""
    api = FakeApi()
    ensure(component, api)
    ensure(component, api)

    assert [method for method, _, _ in api.sent] == ["POST"]
    assert changes(component, api) == {}


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        pytest.param(
            WorkerPool(name="p", concurrency_limit=2),
            WorkerPool(name="p", concurrency_limit=3),
            {"concurrency_limit": (2, 3)},
            id="pool",
        ),
        pytest.param(
            WorkQueue(name="q", pool="p", priority=1),
            WorkQueue(name="q", pool="p", priority=2),
            {"priority": (1, 2)},
            id="queue",
        ),
        pytest.param(
            GlobalConcurrencyLimit(name="g", limit=1),
            GlobalConcurrencyLimit(name="g", limit=5),
            {"limit": (1, 5)},
            id="limit",
        ),
    ],
)
def test_a_difference_is_shown_and_sent(before: Component, after: Component, change: dict[str, Any]) -> None:
    """What differs is shown field by field, sent as a PATCH, and then gone."""
    api = FakeApi()
    ensure(before, api)

    assert changes(after, api) == change
    ensure(after, api)
    assert [method for method, _, _ in api.sent] == ["POST", "PATCH"]
    assert changes(after, api) == {}


@pytest.mark.parametrize(
    ("given", "component"),
    [
        pytest.param({"concurrency_limit": 9, "description": "Mine."}, WorkerPool(name="p"), id="pool"),
        pytest.param(
            {"priority": 9, "concurrency_limit": 9}, WorkQueue(name="q", pool="p", description="Ours."), id="queue"
        ),
        pytest.param({"active": False}, GlobalConcurrencyLimit(name="g", limit=2), id="limit"),
    ],
)
def test_what_is_not_set_is_the_operator_s(given: Record, component: Component) -> None:
    """Fields that a component leaves open are neither compared nor written."""
    api = FakeApi()
    asyncio.run(component.write(api, None))
    (path,) = api.objects
    asyncio.run(api.patch(path, given))
    asyncio.run(component.write(api, asyncio.run(component.read(api))))

    assert changes(component, api) == {}
    assert api.objects[path].items() >= given.items()


def test_a_new_pool_has_prefect_s_template_and_our_additions() -> None:
    """The template is never left empty, which would switch off every check, and `env` keeps what Prefect puts there."""
    api = FakeApi()
    ensure(WorkerPool(name="p", template=TEMPLATE), api)

    template = api.objects["/work_pools/p"]["base_job_template"]
    assert template["variables"]["properties"].keys() == {"env", "working_dir", "meta_env"}
    assert template["job_configuration"] == {"env": {"STAGE": "{{ meta_env }}"}, "working_dir": "{{ working_dir }}"}


def test_only_our_part_of_a_template_is_compared() -> None:
    """What somebody adds to our pool's template stays; what he changes of ours is put back."""
    api, pool = FakeApi(), WorkerPool(name="p", template=TEMPLATE)
    ensure(pool, api)
    properties = api.objects["/work_pools/p"]["base_job_template"]["variables"]["properties"]
    properties["image"] = {"type": "string"}
    assert changes(pool, api) == {}

    properties["meta_env"]["type"] = "integer"
    assert changes(pool, api) == {"base_job_template.variables.properties.meta_env.type": ("integer", "string")}
    ensure(pool, api)
    properties = api.objects["/work_pools/p"]["base_job_template"]["variables"]["properties"]
    assert properties["meta_env"] == {"type": "string"}
    assert properties["image"] == {"type": "string"}


def test_a_pool_of_others_is_used_as_it_is() -> None:
    """A pool that has all that is needed needs not be ours."""
    api = FakeApi()
    template = {**PROCESS_TEMPLATE, "variables": {"properties": {"meta_env": {"type": "string", "title": "Stage"}}}}
    api.objects["/work_pools/p"] = {"name": "p", "type": "process", "base_job_template": template}

    assert changes(WorkerPool(name="p", template={"variables": TEMPLATE["variables"]}), api) == {}


def test_a_template_of_others_needs_not_be_as_ours() -> None:
    """What a recipe would add to a template is not missed in a pool that Meta-Prefect did not create; its template stays."""
    api, pool = FakeApi(), WorkerPool(name="p", template=TEMPLATE)
    api.objects["/work_pools/p"] = {"name": "p", "type": "process", "base_job_template": PROCESS_TEMPLATE}

    assert changes(pool, api) == {}
    assert asyncio.run(pool.template_to_be(api, api.objects["/work_pools/p"])) == PROCESS_TEMPLATE


@pytest.mark.parametrize("kind", ["process", "of-their-own"])
def test_a_pool_of_others_without_a_template_gets_one_from_its_worker(kind: str) -> None:
    """Until then it is that of its type, if Prefect knows it."""
    api = FakeApi()
    api.unknown_types = {"of-their-own"}
    live: Record = {"name": "p", "type": kind, "base_job_template": {}}
    api.objects["/work_pools/p"] = live

    assert changes(WorkerPool(name="p", type=kind, template=TEMPLATE), api) == {}
    assert asyncio.run(template_of(api, live)) == (PROCESS_TEMPLATE if kind == "process" else {})


def test_a_pool_of_others_is_never_written() -> None:
    """Where a recipe asks for another limit or text of a pool that Meta-Prefect did not create, that is a conflict."""
    api = FakeApi()
    api.objects["/work_pools/p"] = {"name": "p", "type": "process", "concurrency_limit": 5}

    with pytest.raises(ConflictError, match=r"will not change it.* concurrency_limit 2 \(it is 5\)") as refused:
        changes(WorkerPool(name="p", concurrency_limit=2, template=TEMPLATE), api)
    assert refused.value.where == "work pool p"


def test_a_push_pool_does_as_well() -> None:
    """Prefect Cloud runs the same jobs without a worker."""
    api = FakeApi()
    api.objects["/work_pools/p"] = {"name": "p", "type": "ecs:push", "base_job_template": PROCESS_TEMPLATE}

    assert changes(WorkerPool(name="p", type="ecs", template=TEMPLATE), api) == {}


def test_a_pool_cannot_change_its_type() -> None:
    """Prefect cannot turn a pool into one of another type: both types are named."""
    api = FakeApi()
    ensure(WorkerPool(name="p", type="process"), api)

    with pytest.raises(ConflictError, match="is of type 'process', the recipe wants 'kubernetes'"):
        changes(WorkerPool(name="p", type="kubernetes"), api)


WORKER = Worker(name="p-worker", pool="p")
LONG_AGO = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()


def a_pool_with(*workers: Record, host: FakeHost | None = None) -> FakeApi:
    """A server with a pool that has seen some workers."""
    api = FakeApi(host, p=list(workers))
    api.objects["/work_pools/p"] = {"name": "p", "type": "process"}
    return api


@pytest.mark.parametrize(
    "workers",
    [
        pytest.param([], id="none"),
        pytest.param([an_online_worker("old", status="OFFLINE")], id="one that is offline"),
        pytest.param([an_online_worker("old", last_heartbeat_time=LONG_AGO)], id="one that has gone silent"),
        pytest.param([an_online_worker("new", last_heartbeat_time=None)], id="one that was never heard of"),
        pytest.param([an_online_worker("p-worker")], id="our own, whose process is gone"),
    ],
)
def test_a_pool_without_a_living_worker_gets_one(workers: list[Record]) -> None:
    """A worker that is not alive is a change; writing it starts one for the pool."""
    api = a_pool_with(*workers)

    assert changes(WORKER, api) == {"status": ("offline", "online")}
    ensure(WORKER, api)
    assert api.host.started == ["p"]


def test_a_pool_that_is_not_there_yet_has_no_worker() -> None:
    """A first deploy plans the worker together with its pool."""
    assert changes(WORKER, FakeApi()) == {"status": ("offline", "online")}


def test_a_worker_that_somebody_else_runs_is_enough() -> None:
    """Whose worker it is does not matter."""
    assert changes(WORKER, a_pool_with(an_online_worker("theirs"))) == {}


@pytest.mark.parametrize("days", [-3, 3])
def test_a_heartbeat_is_as_old_as_the_servers_clock_has_it(days: int) -> None:
    """What this host's clock says does not count: it may be days away from the server's."""
    ahead = timedelta(days=days)
    heard, silent = ((datetime.now(UTC) + ahead - ago).isoformat() for ago in (timedelta(), timedelta(minutes=5)))
    for last, expected in ((heard, {}), (silent, {"status": ("offline", "online")})):
        api = a_pool_with(an_online_worker("theirs", last_heartbeat_time=last))
        api.ahead = ahead
        assert changes(WORKER, api) == expected


def test_our_own_worker_is_found_again() -> None:
    """Its process lives, and it has been heard of."""
    api = a_pool_with(an_online_worker("p-worker"))
    asyncio.run(api.host.start_worker("p"))

    assert changes(WORKER, api) == {}


@pytest.mark.parametrize(
    ("worker", "host", "reason"),
    [
        pytest.param(WORKER, FakeHost("this is a container"), "this is a container", id="not here"),
        pytest.param(
            Worker(name="p-worker", pool="p", type="kubernetes"),
            FakeHost(),
            "a kubernetes worker does not run here",
            id="another type",
        ),
    ],
)
def test_where_no_worker_may_be_started_the_command_is_told(worker: Worker, host: FakeHost, reason: str) -> None:
    """It is no change, but whoever deploys is told what to run."""
    api = a_pool_with(host=host)

    assert changes(worker, api) == {}
    assert remarks(worker, api) == [
        f"no worker of work pool p is online, and none is started ({reason}): "
        f"run `prefect worker start -p p -t {worker.type}`"
    ]


@pytest.mark.parametrize("kind", ["ecs:push", "prefect:managed"])
@pytest.mark.parametrize("worker", [Worker(pool="p", type=None, elsewhere=True), Worker(pool="p", type="ecs")])
def test_push_pools_and_managed_pools_need_no_worker(kind: str, worker: Worker) -> None:
    """Prefect Cloud starts their runs itself: nothing is missed."""
    api = a_pool_with()
    api.objects["/work_pools/p"]["type"] = kind

    assert changes(worker, api) == {}
    assert remarks(worker, api) == []
    to_be = Worker(pool="to-be", type=kind)
    assert (changes(to_be, api), remarks(to_be, api)) == ({}, [])


def test_a_worker_of_whatever_type() -> None:
    """Where the recipe does not know the pool's type, the command to run has the live pool's."""
    api = a_pool_with()
    api.objects["/work_pools/p"]["type"] = "modal"
    worker = Worker(pool="p", type=None, elsewhere=True).completed(a_deployment(), api.host)

    assert str(worker) == "worker of p"
    assert changes(worker, api) == {}
    assert remarks(worker, api)[0].endswith("run `prefect worker start -p p -t modal`")
    assert remarks(worker, a_pool_with(an_online_worker("theirs"))) == []


def test_waiting_ends_with_the_first_heartbeat() -> None:
    """A worker is ready as soon as the server has heard of it."""
    api = a_pool_with(an_online_worker("p-worker", heard_in=timedelta(minutes=5)))
    asyncio.run(api.host.start_worker("p"))
    asyncio.run(WORKER.wait_until_ready(api))


def test_the_heartbeat_of_a_former_worker_is_not_taken_for_that_of_a_new_one() -> None:
    """One of the same name was heard of just before; the new one dies, and the deploy says so."""
    api = a_pool_with(an_online_worker("p-worker", heard_in=timedelta(seconds=-5)))
    api.host.dies = True

    with pytest.raises(ProcessError, match="ended before its first heartbeat"):
        asyncio.run(WORKER.wait_until_ready(api))


def test_waiting_ends_when_the_process_ends() -> None:
    """A worker that dies is reported at once, with its log."""
    api = a_pool_with()
    api.host.dies = True

    with pytest.raises(ProcessError, match="ended before its first heartbeat") as failed:
        asyncio.run(WORKER.wait_until_ready(api))
    assert failed.value.hint == "Its log: /var/log/p.log"


class Variable(Component):
    """A kind of component that an expert adds: a Prefect variable."""

    kind: ClassVar[str] = "variable"
    value: str = ""

    async def read(self, api: Api) -> Record | None:
        """Read it by name."""
        return await api.get(f"/variables/{self.name}")

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare its value."""
        return differences_within(live or {}, {"name": self.name, "value": self.value})

    async def write(self, api: Api, live: Record | None) -> None:
        """Create or change it."""
        if live is None:
            await api.post("/variables/", {"name": self.name, "value": self.value})
        else:
            await api.patch(f"/variables/{self.name}", {"value": self.value})


def test_the_kinds_are_an_open_set() -> None:
    """A kind of one's own is one class: how it is read, compared and written."""
    api = FakeApi()
    ensure(Variable(name="rate", value="3"), api)
    ensure(Variable(name="rate", value="4"), api)

    assert api.objects["/variables/rate"]["value"] == "4"
    assert changes(Variable(name="rate", value="4"), api) == {}
