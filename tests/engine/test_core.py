"""Compare, apply, prune and undo on a server in memory and on a real one: the same cases, so that one proves the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from prefect.logging import disable_run_logger
from support import Api
from values import a_context, a_draft, a_flow

from meta_prefect.engine.apply import apply_deployment
from meta_prefect.engine.compare import PlannedBatch, PlannedDeployment, compare
from meta_prefect.engine.prune import delete_orphan
from meta_prefect.engine.undo import put_back
from meta_prefect.engine.write_limit import WriteLimit
from meta_prefect.errors import MovedError
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Create, Delete, Unchanged, Update, fields_of
from meta_prefect.plan.prune import orphans_of
from meta_prefect.server import PrefectServer, connect
from meta_prefect.testing.in_memory import InMemoryHost
from meta_prefect.testing.server import InMemoryServer

Case = Callable[[PrefectServer], Awaitable[None]]


@pytest.fixture(params=["in memory", pytest.param("real", marks=pytest.mark.thorough)])
def on_a_server(request: pytest.FixtureRequest) -> Callable[[Case], None]:
    """Run a case on a server that holds nothing of the test."""
    real: Api | None = request.getfixturevalue("server") if request.param == "real" else None

    async def run(case: Case) -> None:
        with disable_run_logger():
            if real is None:
                await case(InMemoryServer())
                return
            async with connect(InMemoryHost()) as server:
                await case(server)

    return lambda case: asyncio.run(run(case))


class Project:
    """The deployments of a project that is the test's own."""

    def __init__(self, unique: str) -> None:
        self.context: DeployContext = a_context(project=unique)
        self.owner = (self.context.names, self.context.environment)
        self.flow = a_flow(name=unique)
        self.pool = f"{unique}-pool"

    async def planned(self, server: PrefectServer, **fields: Any) -> tuple[PlannedDeployment, PlannedBatch]:
        """Plan its one deployment, with a pool that somebody else has made."""
        if await server.get(f"/work_pools/{self.pool}") is None:
            template = await server.base_job_template("process")
            await server.post("/work_pools/", {"name": self.pool, "type": "process", "base_job_template": template})
        draft = a_draft(flow=self.flow, context=self.context, **{"work_pool_name": self.pool, **fields})
        batch = await compare([draft], server, self.owner)
        assert not draft.errors
        return batch.deployments[0], batch

    async def deployed(self, server: PrefectServer, **fields: Any) -> PlannedDeployment:
        """Plan it and write it."""
        planned, _ = await self.planned(server, **fields)
        await written(planned, server)
        return planned


async def written(planned: PlannedDeployment, server: PrefectServer) -> None:
    """Write what is planned, as its task does."""
    async with WriteLimit(lambda: server.overloads).turn() as turn:
        await apply_deployment.fn(planned, server, turn)


@pytest.fixture
def project(unique: str) -> Project:
    """A project of which nothing is deployed."""
    return Project(unique)


NIGHTLY = Schedule(slug="nightly", cron="0 3 * * *", timezone="Europe/Berlin")
WEEKLY = Schedule(slug="weekly", rrule="FREQ=WEEKLY;BYDAY=MO")
OFTEN = Schedule(slug="often", interval=timedelta(hours=1))

EVERY: dict[str, Any] = {
    "description": "Adds.",
    "paused": True,
    "concurrency_limit": 2,
    "collision_strategy": "CANCEL_NEW",
    "parameters": {"x": 1, "y": 2},
    "job_variables": {"env": {"A": "1"}},
    "schedules": [NIGHTLY, WEEKLY],
}

UPDATES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a text": ({"description": "Adds two."}, {"description"}),
    "a pause": ({"paused": False}, {"paused"}),
    "a limit that goes": ({"concurrency_limit": 0, "collision_strategy": None}, {"concurrency_limit"}),
    "a parameter": ({"parameters": {"x": 1}}, {"parameters.y"}),
    "a variable of the job": ({"job_variables": {"env": {"A": "2"}}}, {"job_variables.env.A"}),
    "a schedule's time": (
        {"schedules": [NIGHTLY.model_copy(update={"cron": "0 4 * * *"}), WEEKLY]},
        {"schedules.nightly.cron"},
    ),
    "a schedule that comes": ({"schedules": [NIGHTLY, WEEKLY, OFTEN]}, {"schedules.often"}),
}


def test_what_is_created_is_there_as_wanted(on_a_server: Callable[[Case], None], project: Project) -> None:
    """A second plan has nothing to do, whatever the server made of the fields."""

    async def case(server: PrefectServer) -> None:
        assert isinstance((await project.deployed(server, **EVERY)).change, Create)
        again, batch = await project.planned(server, **EVERY)
        assert isinstance(again.change, Unchanged), fields_of(again.change)
        assert not batch.plan.writes

    on_a_server(case)


@pytest.mark.parametrize(("changes", "paths"), UPDATES.values(), ids=list(UPDATES))
def test_exactly_what_differs_is_written_and_can_be_undone(
    on_a_server: Callable[[Case], None], project: Project, changes: dict[str, Any], paths: set[str]
) -> None:
    """The plan names the fields; the deploy over again is empty; put back, everything is as it was."""

    async def case(server: PrefectServer) -> None:
        await project.deployed(server, **EVERY)
        before, _ = await project.planned(server, **EVERY)
        update = await project.deployed(server, **{**EVERY, **changes})
        assert isinstance(update.change, Update)
        assert paths <= {field.path for field in update.change.fields}
        assert isinstance((await project.planned(server, **{**EVERY, **changes}))[0].change, Unchanged)

        assert await put_back.fn(update, project.context, server)
        after, _ = await project.planned(server, **EVERY)
        assert isinstance(after.change, Unchanged), fields_of(after.change)
        assert before.live is not None
        assert after.live is not None
        assert (after.live.id, after.live.record) == (before.live.id, before.live.record)
        assert not await put_back.fn(update, project.context, server)

    on_a_server(case)


def test_what_was_created_is_deleted_when_it_is_undone(on_a_server: Callable[[Case], None], project: Project) -> None:
    """Nothing is left of a deployment that was not there before."""

    async def case(server: PrefectServer) -> None:
        created = await project.deployed(server)
        assert await put_back.fn(created, project.context, server)
        assert await server.read_owned(*project.owner) == []

    on_a_server(case)


def test_what_somebody_changes_meanwhile_is_not_overwritten(
    on_a_server: Callable[[Case], None], project: Project
) -> None:
    """Seen again just before it is written, it has moved; what an earlier attempt has written is done."""

    async def case(server: PrefectServer) -> None:
        await project.deployed(server)
        update, _ = await project.planned(server, description="New.")
        assert update.live is not None
        await server.update_deployment(update.live, {"paused": True})
        live = {one.full_name: one for one in await server.read_owned(*project.owner)}
        with pytest.raises(MovedError):
            await written(update.seen_again(live), server)

        await server.update_deployment(update.live, {"paused": False})
        await written(update, server)
        live = {one.full_name: one for one in await server.read_owned(*project.owner)}
        assert isinstance(update.seen_again(live).change, Unchanged)

    on_a_server(case)


@pytest.mark.parametrize("is_gone", [False, True], ids=["there", "deleted meanwhile"])
def test_what_is_no_longer_in_the_project_is_pruned(
    on_a_server: Callable[[Case], None], project: Project, is_gone: bool
) -> None:
    """It is deleted; what is gone already is no error."""

    async def case(server: PrefectServer) -> None:
        await project.deployed(server, name="stays")
        await project.deployed(server, name="goes")
        owned = await server.read_owned(*project.owner)
        (orphan,) = orphans_of(owned, [f"{project.flow.name}/stays"], prune=True)
        assert isinstance(orphan.change, Delete)
        if is_gone:
            await server.delete_deployment(orphan.live)
        await delete_orphan.fn(orphan, project.context.names, server, force=False)
        assert [one.name for one in await server.read_owned(*project.owner)] == ["stays"]

    on_a_server(case)


def test_another_name_takes_the_place_of_the_old_one(on_a_server: Callable[[Case], None], project: Project) -> None:
    """The new one is there, the old one is gone, and undone it is the other way round."""

    async def case(server: PrefectServer) -> None:
        await project.deployed(server, name="old", **EVERY)
        renamed = {"name": "new", "renamed_from": f"{project.flow.name}/old", **EVERY}
        planned = await project.deployed(server, **renamed)
        assert [one.name for one in await server.read_owned(*project.owner)] == ["new"]
        assert await put_back.fn(planned, project.context, server)
        assert [one.name for one in await server.read_owned(*project.owner)] == ["old"]

    on_a_server(case)
