"""Every stored field is ours or the operators': changed by hand or in code, exactly that field is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import Api

from meta_prefect.deploy import deploy
from meta_prefect.engine.plan_input import read_plan_input
from meta_prefect.engine.status import project_status
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.plan.status import DeploymentStatus
from meta_prefect.project import read_project
from meta_prefect.report.plan_json import ChangeDocument
from meta_prefect.server import connect

CODE = """
    from prefect import flow
    from meta_prefect.interfaces.components import WorkerPool
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
    from meta_prefect.implementations.concurrency import run_limit, work_queue
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import describer, tags_resolver, versioneer
    from meta_prefect.implementations.run_settings import env_variables, parameters
    from meta_prefect.implementations.schedule import scheduler

    @flow(name="UNIQUE")
    def work(n: int = 1, s: str = "") -> int:
        return n

    class having(FlowBuilderInterface):
        def __init__(self, **fields):
            self.fields = fields

        def update_deployment(self, deployment):
            for name, value in self.fields.items():
                setattr(deployment, name, value)
            return deployment

    class in_pool(FlowBuilderInterface):
        def __init__(self, name):
            self.name = name

        @property
        def requires(self):
            return (WorkerPool(name=self.name, type="process"),)

        def update_deployment(self, deployment):
            deployment.work_pool_name = self.name
            return deployment

    daily = {"slug": "daily", "cron": "0 9 * * *", "timezone": "Europe/Paris"}
    base = versioneer(version="7") | local_process()
    elsewhere = versioneer(version="7") | in_pool("UNIQUE-a")
"""
DAILY = "scheduler(schedule=daily, active=True)"


@dataclass(frozen=True)
class Hand:
    """Somebody who changes a live deployment by hand.

    Attributes:
        api: The server.
        live: The deployment.
        unique: A name of the test's own.
    """

    api: Api
    live: Any
    unique: str

    def patch(self, **body: Any) -> None:
        """Change its fields."""
        self.api.patch(f"/deployments/{self.live['id']}", **body)

    @property
    def schedule(self) -> str:
        """Where its only schedule is."""
        return f"/deployments/{self.live['id']}/schedules/{self.live['schedules'][0]['id']}"


Mutation = Callable[[Hand], None]


@dataclass(frozen=True)
class Case:
    """A field, how somebody changes it on the server, how it is changed in code, and whose it is.

    Attributes:
        stored: The server's name for what holds it.
        builders: What the recipe has besides the usual.
        by_hand: Changes it on the server.
        shown: The place that status and plan must name, and no other.
        in_code: Builders with which the recipe wants another value; None where it is not ours.
        kept: Whether it is the operators'.
        base: What it is built on.
    """

    stored: str
    by_hand: Mutation
    shown: str
    builders: str = ""
    in_code: str | None = None
    kept: bool = False
    base: str = "base"


def patch(**body: Any) -> Mutation:
    """Change fields of the deployment itself."""
    return lambda hand: hand.patch(**body)


def patch_in_pool(**body: Any) -> Mutation:
    """Change fields that the server only takes beside the work pool."""
    return lambda hand: hand.patch(work_pool_name=hand.live["work_pool_name"], **body)


def patch_schedule(**body: Any) -> Mutation:
    """Change the deployment's only schedule."""
    return lambda hand: hand.api.patch(hand.schedule, **body)


def remove_schedule(hand: Hand) -> None:
    """Remove the only schedule."""
    hand.api.delete(hand.schedule)


def add_schedule(hand: Hand) -> None:
    """Add a schedule of somebody's own."""
    schedule = {"cron": "0 1 * * *", "timezone": "UTC"}
    item = {"schedule": schedule, "slug": "theirs", "active": False}
    hand.api.post(f"/deployments/{hand.live['id']}/schedules", item)


def add_tag(hand: Hand) -> None:
    """Tag it."""
    hand.patch(tags=[*hand.live["tags"], "by-hand"])


def take_tag(hand: Hand) -> None:
    """Take the recipe's own tag away."""
    hand.patch(tags=[tag for tag in hand.live["tags"] if tag != "old"])


def move_to_pool(hand: Hand) -> None:
    """Let it run in another pool."""
    hand.api.post("/work_pools/", name=f"{hand.unique}-theirs", type="process")
    hand.patch(work_pool_name=f"{hand.unique}-theirs")


def label(hand: Hand) -> None:
    """Give it a label, which only writing it anew can; that drops parameters and schedules, and it has none."""
    hand.api.post("/deployments/", name=hand.live["name"], flow_id=hand.live["flow_id"], labels={"team": "a"})


def point_at_block(key: str) -> Mutation:
    """Point one of the fields that Prefect keeps for its second version at a block."""

    def mutate(hand: Hand) -> None:
        block_type = hand.api.get("/block_types/slug/secret")
        of_type = {"block_type_id": {"any_": [block_type["id"]]}}
        block = hand.api.post(
            "/block_documents/",
            name=f"{hand.unique}-{key.replace('_', '-')}",
            block_type_id=block_type["id"],
            block_schema_id=hand.api.post("/block_schemas/filter", block_schemas=of_type)[0]["id"],
            data={"value": "x"},
        )
        hand.patch(**{key: block["id"]})

    return mutate


CASES: dict[str, Case] = {
    "description": Case("description", patch(description="by hand"), "description", in_code="describer(text='new')"),
    "tags": Case("tags", take_tag, "tags", "tags_resolver(tags=('old',))", in_code="tags_resolver(tags=('new',))"),
    "version": Case("version", patch(version="99"), "version", in_code="versioneer(version='8')"),
    "parameters": Case("parameters", patch(parameters={"n": 3}), "parameters.n", in_code="parameters(values={'n': 4})"),
    "schema": Case(
        "parameter_openapi_schema",
        patch(parameter_openapi_schema={"type": "object", "title": "Parameters", "properties": {}}),
        "parameter_openapi_schema",
    ),
    "enforced": Case(
        "enforce_parameter_schema",
        patch(enforce_parameter_schema=False),
        "enforce_parameter_schema",
        in_code="having(enforce_parameter_schema=False)",
    ),
    "variables": Case(
        "job_variables",
        patch_in_pool(job_variables={"meta_env": "dev", "env": {"A": "by hand"}}),
        "job_variables.env",
        in_code="env_variables(values={'A': 'new'})",
    ),
    "steps": Case(
        "pull_steps",
        patch(pull_steps=[]),
        "pull_steps",
        in_code="having(pull_steps=[{'prefect.deployments.steps.git_clone': {'repository': 'https://git.example/x.git'}}])",
    ),
    "entrypoint": Case(
        "entrypoint", patch(entrypoint="by_hand.py:f"), "entrypoint", in_code="having(entrypoint='flows.py:steps')"
    ),
    "path": Case("path", patch(path="/by/hand"), "path"),
    "pool": Case("work_pool_name", move_to_pool, "work_pool_name", in_code="in_pool('UNIQUE-b')", base="elsewhere"),
    "queue": Case(
        "work_queue_name",
        patch_in_pool(work_queue_name="by-hand"),
        "work_queue_name",
        "work_queue(name='UNIQUE')",
        "work_queue(name='UNIQUE-new')",
    ),
    "pause": Case("paused", patch(paused=True), "paused", "having(paused=False)", "having(paused=True)"),
    "limit": Case(
        "global_concurrency_limit",
        patch(concurrency_limit=9),
        "concurrency_limit",
        "run_limit(limit=2)",
        "run_limit(limit=3)",
    ),
    "collision": Case(
        "concurrency_options",
        patch(concurrency_options={"collision_strategy": "CANCEL_NEW"}),
        "collision_strategy",
        "run_limit(limit=2)",
        "run_limit(limit=2, collision='CANCEL_NEW')",
    ),
    "cron": Case(
        "schedules",
        patch_schedule(schedule={"cron": "1 1 * * *", "timezone": "Europe/Paris"}),
        "schedules.daily.cron",
        DAILY,
        "scheduler(schedule={**daily, 'cron': '2 2 * * *'}, active=True)",
    ),
    "zone": Case(
        "schedules",
        patch_schedule(schedule={"cron": "0 9 * * *", "timezone": "UTC"}),
        "schedules.daily.timezone",
        DAILY,
        "scheduler(schedule={**daily, 'timezone': 'Asia/Tokyo'}, active=True)",
    ),
    "schedule_parameters": Case(
        "schedules",
        patch_schedule(parameters={"n": 5}),
        "schedules.daily.parameters.n",
        DAILY,
        "scheduler(schedule={**daily, 'parameters': {'n': 6}}, active=True)",
    ),
    "activation": Case(
        "schedules",
        patch_schedule(active=False),
        "schedules.daily.active",
        DAILY,
        "scheduler(schedule=daily, active=False)",
    ),
    "added_schedule": Case("schedules", add_schedule, "schedules.theirs", DAILY, kept=True),
    "removed_schedule": Case("schedules", remove_schedule, "schedules.daily", DAILY, "scheduler(schedule=[])"),
    "their_pause": Case("paused", patch(paused=True), "paused", kept=True),
    "their_limit": Case("global_concurrency_limit", patch(concurrency_limit=9), "concurrency_limit", kept=True),
    "their_collision": Case(
        "concurrency_options",
        patch(concurrency_options={"collision_strategy": "CANCEL_NEW"}),
        "collision_strategy",
        kept=True,
    ),
    "their_grace": Case(
        "concurrency_options",
        patch(concurrency_options={"collision_strategy": "ENQUEUE", "grace_period_seconds": 90}),
        "grace_period_seconds",
        "run_limit(limit=2)",
        kept=True,
    ),
    "their_queue": Case("work_queue_name", patch_in_pool(work_queue_name="by-hand"), "work_queue_name", kept=True),
    "their_schedule": Case("schedules", add_schedule, "schedules.theirs", kept=True),
    "their_activation": Case(
        "schedules", patch_schedule(active=False), "schedules.daily.active", "scheduler(schedule=daily)", kept=True
    ),
    "their_runs": Case(
        "schedules", patch_schedule(max_scheduled_runs=5), "schedules.daily.max_scheduled_runs", DAILY, kept=True
    ),
    "their_tag": Case("tags", add_tag, "tags", kept=True),
    "their_label": Case("labels", label, "labels.team", kept=True),
    "their_storage": Case(
        "storage_document_id", point_at_block("storage_document_id"), "storage_document_id", kept=True
    ),
    "their_infrastructure": Case(
        "infrastructure_document_id",
        point_at_block("infrastructure_document_id"),
        "infrastructure_document_id",
        kept=True,
    ),
}
SERVERS_OWN = {
    "id", "created", "updated", "created_by", "updated_by", "name", "flow_id", "status", "last_polled", "work_queue_id",
    "concurrency_limit",  # always null: the limit is in global_concurrency_limit
    "created_by_run", "version_id",
}  # fmt: skip
"""What identifies a deployment, or what the server says of it by itself."""


def name_of(case: str) -> str:
    """The name of the deployment of a case."""
    return f"{case.replace('_', '-')}-dev"


def code(project: Callable[..., Path], builders: Callable[[Case], str]) -> Path:
    """A project with one deployment for each case."""
    lines = [f"    {name} = ({case.base}{_joined(builders(case))})(work)\n" for name, case in CASES.items()]
    return project(**{"flows.py": CODE + "".join(lines), "meta_prefect.yaml": "project: UNIQUE\n"})


def _joined(builders: str) -> str:
    return f" | {builders}" if builders else ""


def statuses(root: Path) -> dict[str, DeploymentStatus]:
    """How each deployment stands."""

    async def read() -> dict[str, DeploymentStatus]:
        async with connect(LocalHost()) as server:
            found = await project_status(
                read_plan_input(read_project(root, required=False), root, None, DeployOptions()), server
            )
        return {one.deployment.partition("/")[2]: one for one in found.deployments}

    return asyncio.run(read())


def changes(root: Path) -> dict[str, ChangeDocument]:
    """What a plan says of each deployment."""
    plan = deploy([str(root)], dry_run=True).plan
    assert plan is not None
    return {one.name.partition("/")[2]: one for one in plan.changes if one.kind == "deployment"}


def test_every_field_changed_by_hand_or_in_code(server: Api, project: Callable[..., Path], unique: str) -> None:
    """Status and plan name exactly the field, as drift or as kept; a deploy mends drift; the same holds for changes in code."""
    root = code(project, lambda case: case.builders)
    deploy([str(root)])
    assert {name: one.action for name, one in changes(root).items()} == {name_of(case): "unchanged" for case in CASES}
    assert {one.state for one in statuses(root).values()} == {"in sync"}

    for name, case in CASES.items():
        case.by_hand(Hand(server, server.deployment(f"{unique}/{name_of(name)}"), unique))

    told, planned = statuses(root), changes(root)
    for name, case in CASES.items():
        kind = "kept" if case.kept else "drift"
        status, change = told[name_of(name)], planned[name_of(name)]
        shown = [_short(one.path, case.shown) for one in status.fields]
        assert (name, kind, *dict.fromkeys(shown)) == (name, *{one.kind for one in status.fields}, case.shown)
        assert (name, status.state) == (name, "in sync" if case.kept else "drifted")
        places = list(change.kept) if case.kept else [_short(one.path, case.shown) for one in change.fields]
        assert (name, *dict.fromkeys(places)) == (name, case.shown)
        assert (name, change.action) == (name, "unchanged" if case.kept else "update")

    deploy([str(root)])
    assert {name: one.action for name, one in changes(root).items()} == {name_of(case): "unchanged" for case in CASES}

    code(project, lambda case: case.builders if case.in_code is None else case.in_code)
    told, planned = statuses(root), changes(root)
    for name, case in CASES.items():
        expected = [] if case.in_code is None else [case.shown]
        pending = [one for one in told[name_of(name)].fields if one.kind != "kept"]
        assert (name, *dict.fromkeys(_short(one.path, *expected) for one in pending)) == (name, *expected)
        assert {one.kind for one in pending} <= {"pending"}
        assert (name, *dict.fromkeys(_short(one.path, *expected) for one in planned[name_of(name)].fields)) == (
            name,
            *expected,
        )

    deploy([str(root)])
    assert {name: one.action for name, one in changes(root).items()} == {name_of(case): "unchanged" for case in CASES}


WRITES: dict[str, tuple[str, str]] = {
    "description": ("", "describer(text='new')"),
    "variables": ("", "env_variables(values={'A': 'new'})"),
    "pool": ("", "in_pool('UNIQUE-b')"),
    "limit": ("run_limit(limit=2)", "run_limit(limit=3)"),
    "cron": ("scheduler(schedule=daily)", "scheduler(schedule={**daily, 'cron': '2 2 * * *'})"),
}
"""What makes a deploy write a deployment: builders before, and after."""

EVERY_WRITE: dict[str, tuple[str, str]] = {
    **{
        name: (case.builders, case.in_code)
        for name, case in CASES.items()
        if case.in_code and case.stored != "schedules"
    },
    **WRITES,
    "zone": ("scheduler(schedule=daily)", "scheduler(schedule={**daily, 'timezone': 'Asia/Tokyo'})"),
    "schedule_parameters": ("scheduler(schedule=daily)", "scheduler(schedule={**daily, 'parameters': {'n': 6}})"),
    "activation": ("scheduler(schedule=daily)", "scheduler(schedule=daily, active=False)"),
    "removed_schedule": (DAILY, "scheduler(schedule=[])"),
    "added_schedule": ("scheduler(schedule=daily)", "scheduler(schedule=[daily, {'slug': 'b', 'cron': '3 3 * * *'}])"),
}
"""The same for every field that a recipe can set."""

OF_SCHEDULES = {"cron", "zone", "schedule_parameters", "activation", "removed_schedule", "added_schedule"}
NOT_TOGETHER = {
    ("their_pause", "pause"),  # then it is not theirs
    ("their_limit", "limit"),
    ("their_limit", "collision"),
    ("their_collision", "limit"),
    ("their_collision", "collision"),
    ("their_queue", "queue"),
    ("their_activation", "activation"),
    ("their_activation", "removed_schedule"),  # it goes with the schedule
    ("their_runs", "removed_schedule"),
    ("added_schedule", "removed_schedule"),  # no schedules at all are asked for, and planned
    *(("their_schedule", written) for written in OF_SCHEDULES),  # which is "added_schedule"
    *(("their_label", written) for written in OF_SCHEDULES),  # setting a label drops schedules
    ("their_queue", "pool"),  # a queue belongs to its pool
}


@pytest.mark.parametrize(
    "writes",
    [
        pytest.param(WRITES, id="some"),
        pytest.param(EVERY_WRITE, id="every", marks=[pytest.mark.thorough, pytest.mark.timeout(1800)]),
    ],
)
def test_what_a_plan_says_is_kept_outlasts_every_write(
    server: Api, project: Callable[..., Path], unique: str, writes: Mapping[str, tuple[str, str]]
) -> None:
    """What operators have set is kept by a write of any other field, as planned; a queue goes with its pool, as planned too."""
    pairs = [
        (kept, written)
        for kept, case in CASES.items()
        for written in writes
        if case.kept and (kept, written) not in NOT_TOGETHER
    ]
    pairs.append(("their_queue", "pool"))

    def write(after: int) -> Path:
        lines: list[str] = []
        for kept, written in pairs:
            base = "elsewhere" if written == "pool" else "base"
            builders = f"{base}{_joined(CASES[kept].builders)}{_joined(writes[written][after])}"
            lines.append(f"    {kept}__{written} = ({builders})(work)\n")
        return project(**{"flows.py": CODE + "".join(lines), "meta_prefect.yaml": "project: UNIQUE\n"})

    root = write(after=0)
    deploy([str(root)])
    for kept, written in pairs:
        found = server.deployment(f"{unique}/{name_of(f'{kept}__{written}')}")
        CASES[kept].by_hand(Hand(server, found, f"{unique}-{written.replace('_', '-')}"))
    write(after=1)
    planned = changes(root)

    deploy([str(root)])

    moved = planned.pop(name_of("their_queue__pool"))
    assert "work_queue_name" not in moved.kept
    assert {"work_pool_name", "work_queue_name"} <= {one.path for one in moved.fields}
    left = changes(root)
    found = {name: (one.action, left[name].action, one.kept, bool(one.kept)) for name, one in planned.items()}
    assert found == {name: ("update", "unchanged", left[name].kept, True) for name in planned}


def _short(path: str, *shown: str) -> str:
    """A place inside of the one that is expected counts as that one."""
    return next((one for one in shown if path == one or path.startswith(f"{one}.")), path)


def test_no_field_is_forgotten(server: Api, project: Callable[..., Path], unique: str) -> None:
    """Every field of the server's answer is covered by a case, or is the server's own."""
    root = project(**{"flows.py": CODE + "    mine = base(work)\n", "meta_prefect.yaml": "project: UNIQUE\n"})
    deploy([str(root)])

    fields = set(server.deployment(f"{unique}/mine-dev"))

    assert fields - SERVERS_OWN == {case.stored for case in CASES.values()} & fields
    if missing := {case.stored for case in CASES.values()} - fields:
        pytest.fail(f"the server has no {missing} any more")
