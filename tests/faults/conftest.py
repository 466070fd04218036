"""A server of the faults' own, and projects to deploy to it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from faulty import FaultyServer

CODE = """
    from prefect import flow
    from meta_prefect.implementations.metadata import describer, namer, tags_resolver, versioneer
    from meta_prefect.implementations.notification import then_run
    from meta_prefect.implementations.run_settings import env_variables
    from meta_prefect.implementations.schedule import scheduler
    from meta_prefect.interfaces.components import WorkerPool, WorkQueue
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        return n

    class in_pool(FlowBuilderInterface):
        requires = (WorkerPool(name="UNIQUE", type="process"), WorkQueue(name="UNIQUE", pool="UNIQUE"))

        def update_deployment(self, deployment):
            deployment.work_pool_name = deployment.work_queue_name = "UNIQUE"
            return deployment

    common = in_pool() | versioneer(strategy="increment") | scheduler(schedule="0 9 * * *")
"""


@pytest.fixture(scope="session")
def faulty_server() -> Generator[FaultyServer]:
    """One such server for all tests of this folder."""
    with tempfile.TemporaryDirectory(prefix="meta-prefect-faults-", ignore_cleanup_errors=True) as home:
        server = FaultyServer(Path(home))
        server.start()
        yield server
        server.kill()


@pytest.fixture
def code(project: Callable[..., Path]) -> Callable[..., Path]:
    """Write a project whose module ends in some lines; all of its deployments share a pool and a queue."""

    def write(*lines: str) -> Path:
        text = CODE + "".join(f"    {line}\n" for line in lines)
        return project(**{"flows.py": text, "meta_prefect.yaml": "project: UNIQUE\n"})

    return write
