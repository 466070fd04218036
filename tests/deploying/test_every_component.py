"""Every kind of component, changed and deleted by hand and in code: plan, status, deploy, prune and rollback agree on it."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import Api
from test_references import secret

import meta_prefect
from deployer_flows import rollback
from meta_prefect.deploy import deploy
from meta_prefect.engine.plan_input import read_plan_input
from meta_prefect.engine.status import project_status
from meta_prefect.implementations.code.built_image import BuiltImage
from meta_prefect.implementations.code.s3 import UploadedCode
from meta_prefect.implementations.filesystem.s3_blocks import S3BucketBlock
from meta_prefect.implementations.infra.kubernetes_worker import KubernetesWorker
from meta_prefect.implementations.infra.pools import JobPool
from meta_prefect.implementations.notification.overdue import Overdue
from meta_prefect.implementations.notification.stuck import Stuck
from meta_prefect.implementations.notification.triggers import DeploymentTriggers
from meta_prefect.implementations.notification.watching import DeploymentWatch
from meta_prefect.implementations.saved_blocks import SavedCredentials
from meta_prefect.interfaces.components import (
    Automation,
    Component,
    GlobalConcurrencyLimit,
    SavedBlock,
    Variable,
    Worker,
    WorkerPool,
    WorkQueue,
)
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.plan.status import ProjectStatus
from meta_prefect.project import read_project
from meta_prefect.report import Report
from meta_prefect.server import connect

Project = Callable[..., Path]

CODE = """
    from typing import ClassVar

    from prefect import flow
    from meta_prefect.implementations.builder import Builder
    from meta_prefect.implementations.concurrency import shared_limit, work_queue
    from meta_prefect.implementations.filesystem.s3_blocks import S3BucketBlock
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import versioneer
    from meta_prefect.implementations.notification import (
        notify_overdue,
        notify_stuck,
        run_triggers,
        then_run,
        watch_deployments,
    )
    from meta_prefect.implementations.run_settings import prefect_variables, saved_block
    from meta_prefect.interfaces.components import Component, WorkerPool

    class needs(Builder):
        step: ClassVar[str] = "need something"

        component: Component

        @property
        def requires(self):
            return (self.component,)

        def update_deployment(self, deployment):
            return deployment

    @flow(name="UNIQUE")
    def work(n: int = 1, environment: str = "") -> int:
        return n

    other = (versioneer(version="7") | local_process())(work)
"""


@dataclass(frozen=True)
class Kind:
    """A row: how one kind of component is asked for, found, and changed by hand.

    Attributes:
        name: Its name in a plan.
        wants: The builder that asks for it.
        otherwise: The same, asking for something else.
        path: Where the API has it; of automations their name.
        by_hand: What an operator changes of it.
        leaves: Whether it is removed once no deployment wants it: where it can carry the mark of who made it, and nothing else
            may go on using it.
    """

    name: str
    wants: str
    otherwise: str
    path: str
    by_hand: Mapping[str, Any]
    leaves: bool = False


KINDS: dict[type[Component], Kind] = {
    WorkerPool: Kind(
        "work pool UNIQUE",
        "needs(component=WorkerPool(name='UNIQUE', description='one'))",
        "needs(component=WorkerPool(name='UNIQUE', description='two'))",
        "/work_pools/UNIQUE",
        {"description": "by hand"},
    ),
    WorkQueue: Kind(
        "work queue POOL/UNIQUE",
        "work_queue(name='UNIQUE', limit=1)",
        "work_queue(name='UNIQUE', limit=2)",
        "/work_pools/POOL/queues/UNIQUE",
        {"concurrency_limit": 9},
        leaves=True,
    ),
    GlobalConcurrencyLimit: Kind(
        "concurrency limit UNIQUE",
        "shared_limit(name='UNIQUE', slots=1, decay=0.5)",
        "shared_limit(name='UNIQUE', slots=2, decay=0.5)",
        "/v2/concurrency_limits/UNIQUE",
        {"limit": 9},
    ),
    Variable: Kind(
        "variable UNIQUE",
        "prefect_variables(values={'UNIQUE': {'rows': 1}})",
        "prefect_variables(values={'UNIQUE': {'rows': 2}})",
        "/variables/name/UNIQUE",
        {"value": {"rows": 1, "more": 9}},
    ),
    SavedBlock: Kind(
        "block secret/UNIQUE-saved",
        "saved_block(type='secret', name='UNIQUE-saved', secrets={'value': 'ONE_SECRET'})",
        "saved_block(type='secret', name='UNIQUE-saved', secrets={'value': 'OTHER_SECRET'})",
        "/block_types/slug/secret/block_documents/name/UNIQUE-saved",
        {"data": {"value": "by hand"}, "merge_existing_data": False},
    ),
    Automation: Kind(
        "automation UNIQUE-mine-dev: run UNIQUE-other-dev",
        "then_run(deployment='UNIQUE/other-dev', parameters={'n': 1})",
        "then_run(deployment='UNIQUE/other-dev', parameters={'n': 2})",
        "UNIQUE-mine-dev: run UNIQUE-other-dev",
        {"actions": [{"type": "do-nothing"}]},
        leaves=True,
    ),
    DeploymentWatch: Kind(
        "automation UNIQUE-mine-dev: when deployments in dev change",
        "watch_deployments(flows=('UNIQUE-one',), environments=('dev',))",
        "watch_deployments(flows=('UNIQUE-two',), environments=('dev',))",
        "UNIQUE-mine-dev: when deployments in dev change",
        {"actions": [{"type": "do-nothing"}]},
        leaves=True,
    ),
    Overdue: Kind(
        "automation UNIQUE-mine-dev: notify secret-UNIQUE of overdue runs",
        "notify_overdue(block='secret/UNIQUE', within='10 minutes')",
        "notify_overdue(block='secret/UNIQUE', within='20 minutes')",
        "UNIQUE-mine-dev: notify secret-UNIQUE of overdue runs",
        {"actions": [{"type": "do-nothing"}]},
        leaves=True,
    ),
    Stuck: Kind(
        "automation UNIQUE-mine-dev: notify secret-UNIQUE of runs that do not start",
        "notify_stuck(block='secret/UNIQUE')",
        "notify_stuck(block='secret/UNIQUE', within='20 minutes')",
        "UNIQUE-mine-dev: notify secret-UNIQUE of runs that do not start",
        {"actions": [{"type": "do-nothing"}]},
        leaves=True,
    ),
    DeploymentTriggers: Kind(
        "triggers UNIQUE/mine-dev",
        "run_triggers(triggers=[{'name': 'UNIQUE-trigger', 'expect': 'UNIQUE.one'}])",
        "run_triggers(triggers=[{'name': 'UNIQUE-trigger', 'expect': 'UNIQUE.two'}])",
        "UNIQUE-trigger",
        {"description": "by hand"},
        leaves=True,
    ),
    S3BucketBlock: Kind(
        "s3 block UNIQUE",
        "needs(component=S3BucketBlock(name='UNIQUE', bucket='one'))",
        "needs(component=S3BucketBlock(name='UNIQUE', bucket='two'))",
        "/block_types/slug/s3-bucket/block_documents/name/UNIQUE",
        {"data": {"bucket_name": "by-hand"}, "merge_existing_data": False},
    ),
}

ELSEWHERE: dict[type[Component], str] = {
    JobPool: "a work pool with a template of ours",
    Worker: "a process, which is started and not written",
    SavedCredentials: "only looked for",
    BuiltImage: "in a registry of images; tests/containers",
    UploadedCode: "in a bucket; tests/code_store",
    KubernetesWorker: "in a cluster; tests/cluster",
}
"""What is no object of Prefect's server, or is one that a row has already."""


def kinds_of_components() -> Iterator[type[Component]]:
    """Every kind that this package has."""
    for module in pkgutil.walk_packages(meta_prefect.__path__, "meta_prefect."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    pending: list[type[Component]] = [Component]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if not inspect.isabstract(kind) and kind.__module__.startswith("meta_prefect."):
            yield kind


def test_no_kind_is_forgotten() -> None:
    """A new kind needs a row above."""
    assert set(kinds_of_components()) == KINDS.keys() | ELSEWHERE.keys()


class Table:
    """The project, its server, and every row."""

    def __init__(self, server: Api, project: Project, unique: str) -> None:
        self._server, self._project, self._unique = server, project, unique
        self.pool = LocalHost().pool_name()

    def named(self, text: str) -> str:
        """A text of a row with the test's own names."""
        return text.replace("UNIQUE", self._unique).replace("POOL", self.pool)

    def of(self, value: Callable[[Kind], Any], which: Callable[[Kind], bool] = lambda _: True) -> dict[str, Any]:
        """Something of each row, by the name in a plan."""
        return {self.named(row.name): value(row) for row in KINDS.values() if which(row)}

    def code(self, wants: Callable[[Kind], str] | None, version: int = 7) -> Path:
        """The project with a deployment that wants something of every row; None writes it without that deployment."""
        rows = [] if wants is None else [row for row in map(wants, KINDS.values()) if row]
        # It runs in the outermost pool.
        builders = " | ".join([f'versioneer(version="{version}")', *rows, "local_process()"])
        lines = [] if wants is None else [f"mine = ({builders})(work)"]
        text = CODE + "".join(f"    {line}\n" for line in lines)
        return self._project(**{"flows.py": text, "meta_prefect.yaml": "project: UNIQUE\n"})

    def find(self, row: Kind) -> Any:
        """What there is of a row."""
        path = self.named(row.path)
        if path.startswith("/"):
            return self._server.get(path)
        found = self._server.post("/automations/filter", automations={"name": {"any_": [path]}})
        return found[0] if found else None

    def _address(self, row: Kind) -> str:
        if row.path.startswith("/block_types"):
            return f"/block_documents/{self.find(row)['id']}"
        return self.named(row.path) if row.path.startswith("/") else f"/automations/{self.find(row)['id']}"

    def change(self, row: Kind) -> None:
        """Change it by hand."""
        if row.path.startswith("/"):
            self._server.patch(self._address(row), **row.by_hand)
        else:
            found = self.find(row)
            keys = ("name", "description", "enabled", "trigger", "actions", "tags")
            self._server.put(self._address(row), **{**{key: found[key] for key in keys}, **row.by_hand})

    def delete(self, row: Kind) -> None:
        """Delete it by hand."""
        self._server.delete(self._address(row))

    def rolled_back(self, root: Path, *, dry_run: bool) -> str:
        """What a rollback of the deployment says of what stands beside it."""
        name = self.named("UNIQUE/mine-dev")
        report = asyncio.run(rollback(deployment=name, path=str(root), hold="none", dry_run=dry_run))
        return "\n".join(report.remarks)


def planned(report: Report, table: Table) -> dict[str, str]:
    """What a plan does to each row; what stays is left out."""
    assert report.plan is not None
    rows = table.of(lambda row: row)
    subjects = {f"{one.kind} {one.name}": one.action for one in report.plan.changes}
    # The triggers of a deployment that nobody asks for any more are automations like others.
    subjects |= {
        table.named("triggers UNIQUE/mine-dev"): subjects[name]
        for name in (table.named("automation UNIQUE-trigger"),)
        if name in subjects
    }
    return {name: action for name, action in subjects.items() if name in rows and action != "unchanged"}


def stands(root: Path, table: Table) -> dict[str, str]:
    """How each row stands; what is in sync is left out."""

    async def read() -> ProjectStatus:
        async with connect(LocalHost()) as server:
            return await project_status(
                read_plan_input(read_project(root, required=False), root, "dev", DeployOptions()), server
            )

    found = asyncio.run(read())
    states = {str(one): one.state for one in found.components if not one.is_in_sync}
    trigger = table.named("automation UNIQUE-trigger")
    return {
        table.named("triggers UNIQUE/mine-dev") if name == trigger else name: state for name, state in states.items()
    }


@pytest.fixture
def table(server: Api, project: Project, unique: str, monkeypatch: pytest.MonkeyPatch) -> Table:
    """The project with every row, the block that one of them names, and the secrets that another one holds."""
    monkeypatch.setenv("ONE_SECRET", f"first-{unique}")
    monkeypatch.setenv("OTHER_SECRET", f"second-{unique}")
    secret(server, unique, "x")
    return Table(server, project, unique)


def test_every_kind_is_seen_and_set_right(table: Table) -> None:
    """Changed by hand, deleted by hand, changed in code, dropped in code: all are told, and the deploy does what was told."""
    root = table.code(lambda row: row.wants)
    first = deploy([str(root)])
    assert (planned(first, table), stands(root, table)) == (table.of(lambda _: "create"), {})

    for row in KINDS.values():
        table.change(row)
    assert stands(root, table) == table.of(lambda _: "drifted")
    assert planned(deploy([str(root)]), table) == table.of(lambda _: "update")

    for row in KINDS.values():
        table.delete(row)
    # Of triggers there is the deployment that they belong to.
    gone = table.of(lambda row: "drifted" if "triggers" in row.name else "missing")
    assert stands(root, table) == gone
    assert planned(deploy([str(root)]), table) == {
        name: "update" if state == "drifted" else "create" for name, state in gone.items()
    }

    table.code(lambda row: row.otherwise)
    assert stands(root, table) == table.of(lambda _: "outdated")
    assert planned(deploy([str(root)]), table) == table.of(lambda _: "update")
    assert stands(root, table) == {}

    table.code(lambda _: "")
    assert stands(root, table) == table.of(lambda _: "leaving", lambda row: row.leaves)
    dropped = deploy([str(root)])
    assert planned(dropped, table) == table.of(lambda _: "delete", lambda row: row.leaves)
    assert table.of(table.find, lambda row: row.leaves) == table.of(lambda _: None, lambda row: row.leaves)
    assert None not in table.of(table.find, lambda row: not row.leaves).values()
    assert (planned(deploy([str(root)], dry_run=True), table), stands(root, table)) == ({}, {})


def test_every_kind_goes_with_its_deployment(table: Table) -> None:
    """A deployment that is no longer in the project keeps what it has until it is pruned; then what leaves goes along.

    A rollback leaves all of it as it is, and says so; what it does not bring back a deploy does.
    """
    deploy([str(table.code(lambda row: row.wants))])
    root = table.code(lambda row: row.otherwise, version=8)
    deploy([str(root)])
    said = table.rolled_back(root, dry_run=True)
    assert table.rolled_back(root, dry_run=False) == said
    (stays,) = (line for line in said.splitlines() if line.startswith("left as it is now: "))
    its_own = [
        table.named("UNIQUE-trigger" if "triggers" in row.name else row.name) for row in KINDS.values() if row.leaves
    ]
    assert [name for name in its_own if name not in stays] == []
    assert stands(root, table) == {}
    root = table.code(None)

    left = deploy([str(root)])
    assert (planned(left, table), stands(root, table)) == ({}, {})
    assert None not in table.of(table.find).values()

    assert planned(deploy([str(root)], dry_run=True, prune=True), table) == table.of(
        lambda _: "delete", lambda row: row.leaves
    )
    deploy([str(root)], prune=True)
    assert table.of(table.find, lambda row: row.leaves) == table.of(lambda _: None, lambda row: row.leaves)
    assert None not in table.of(table.find, lambda row: not row.leaves).values()

    again = "automations and queues that it had are made by the next deploy of the project, not by a rollback"
    assert (table.rolled_back(root, dry_run=True), table.rolled_back(root, dry_run=False)) == (again, again)
    assert table.of(table.find, lambda row: row.leaves and "queue" not in row.name) == table.of(
        lambda _: None, lambda row: row.leaves and "queue" not in row.name
    )
    assert (
        planned(deploy([str(table.code(lambda row: row.wants))], dry_run=True), table).keys() == table.of(bool).keys()
    )
