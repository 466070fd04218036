"""Runs as processes on the host that deploys."""

from __future__ import annotations

import asyncio

from fakes import FakeApi, FakeHost
from values import a_deployment, a_draft, a_flow, built

from meta_prefect.implementations.infra import local_process, process
from meta_prefect.implementations.infra.environment import ENVIRONMENT_TEMPLATE
from meta_prefect.interfaces.components import Worker, WorkerPool
from meta_prefect.interfaces.json_diff import merged


def test_the_code_is_taken_from_the_project_s_folder() -> None:
    """The run starts where the project is: nothing is copied."""
    made = built(local_process(), flow=a_flow(source="/srv/other"))

    assert made.pull_steps == [{"prefect.deployments.steps.set_working_directory": {"directory": "/srv/other"}}]


def test_the_run_learns_its_environment() -> None:
    """The pool's variable `meta_env` becomes META_PREFECT__ENV; what else is set stays."""
    made = built(local_process(), environment="prod", job_variables={"stream_output": False})

    assert made.job_variables == {"stream_output": False, "meta_env": "prod"}


def test_a_deployment_s_own_environment_variables_are_merged() -> None:
    """`env` stays Prefect's dictionary, so that a flow's own variables and META_PREFECT__ENV stand side by side."""
    prefect = {"variables": {"properties": {"env": {"type": "object"}}}, "job_configuration": {"env": "{{ env }}"}}
    template = merged(prefect, ENVIRONMENT_TEMPLATE)

    assert template["variables"]["properties"].keys() == {"env", "meta_env"}
    assert template["job_configuration"]["env"] == {"META_PREFECT__ENV": "{{ meta_env }}"}


def test_it_needs_this_host_s_pool_and_a_worker() -> None:
    """Both are named after the host, so that the next deploy finds them again."""
    draft = a_draft(local_process(), work_pool_name=None)
    draft.apply(local_process())
    draft.complete(FakeHost())

    assert draft.errors == []
    assert draft.deployment.work_pool_name == "local-pool"
    assert draft.components == (
        WorkerPool(name="local-pool", type="process", template=ENVIRONMENT_TEMPLATE),
        Worker(name="local-pool-worker", pool="local-pool", type="process"),
    )


def test_name_and_metadata_stay_as_they_are() -> None:
    """Where a flow runs and what its deployment is called are two concerns."""
    before, after = a_deployment(), built(local_process())

    assert (after.name, after.tags, after.version) == (before.name, before.tags, before.version)


def test_a_shared_pool_s_worker_is_looked_for_and_not_started_here() -> None:
    """A pool with a name may be served by other hosts: a deploy says that nobody is there, and starts nothing."""
    pool, worker = process(work_pool="team").requires
    assert pool == WorkerPool(name="team", type="process", template=ENVIRONMENT_TEMPLATE)
    assert isinstance(worker, Worker)
    live = asyncio.run(worker.read(FakeApi()))
    assert tuple(worker.compare(live)) == ()
    (remark,) = worker.remarks(live)
    assert "its workers run elsewhere" in remark
    assert "prefect worker start -p team -t process" in remark


def test_a_shared_pool_runs_the_project_s_folder_or_what_an_inner_builder_brings() -> None:
    """Variables of several builders add up; code from elsewhere stays."""
    made = built(process(work_pool="a", env={"A": "1", "B": "1"}) | process(work_pool="team", env={"B": "2"}))
    assert made.work_pool_name == "team"
    assert made.job_variables == {"env": {"A": "1", "B": "2"}, "meta_env": "dev"}
    assert made.pull_steps == [{"prefect.deployments.steps.set_working_directory": {"directory": "/srv/shop"}}]
    step = {"prefect.deployments.steps.set_working_directory": {"directory": "/elsewhere"}}
    assert built(process(work_pool="team"), pull_steps=[step]).pull_steps == [step]
