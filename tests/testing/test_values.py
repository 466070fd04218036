"""Deployments, jobs, fires and snapshots as values."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from deployer_flows import kubernetes_run_deployer, work_pool_deployer
from meta_prefect.errors import ConfigurationError, ValidationFailed
from meta_prefect.implementations.infra import kubernetes, local_process
from meta_prefect.implementations.metadata import namer
from meta_prefect.implementations.schedule import scheduler
from meta_prefect.interfaces.components import Worker, WorkerPool
from meta_prefect.policies.built_in import BUILT_IN
from meta_prefect.recipes import Recipe
from meta_prefect.testing import (
    Live,
    Snapshots,
    changes_of,
    deployment_of,
    deployments_of,
    fires_of,
    job_of,
    plan_of,
    violations_of,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@flow
def report(day: str = "today") -> str:
    """Report on a day."""
    return day


NIGHTLY = namer(name="nightly") | local_process()


def test_builders_that_a_flow_carries_come_first() -> None:
    """As in a deploy, what is asked for besides overrides them."""
    carried = namer(name="carried")(report)

    assert deployment_of(carried, local_process()).name == "carried-dev"
    assert deployment_of(carried, NIGHTLY).name == "nightly-dev"


def test_an_environment_that_a_recipe_s_variables_pin_counts() -> None:
    """Whatever was asked for."""
    pinned = kubernetes_run_deployer.with_variables(name="nightly", image="shop:1", env="prod")

    assert deployment_of(report, pinned, environment="dev").full_name == "report/nightly-prod"


def test_a_flow_may_be_given_by_its_entrypoint(tmp_path: Path) -> None:
    """It is loaded from a folder as a worker loads it."""
    (tmp_path / "flows.py").write_text("from prefect import flow\n\n\n@flow\ndef load(): ...\n")

    assert deployment_of("flows.py:load", NIGHTLY, source=tmp_path).entrypoint is None
    assert deployment_of("flows.py:load", NIGHTLY, source=tmp_path).flow.entrypoint == "flows.py:load"
    with pytest.raises(ConfigurationError, match="missing"):
        deployment_of("flows.py:missing", NIGHTLY, source=tmp_path)


def test_what_a_deployment_needs_is_with_it() -> None:
    """Components are there as a deploy would write them, named by the host."""
    deployment = deployment_of(report, NIGHTLY)

    assert [pool.name for pool in deployment.needs(WorkerPool)] == ["local-pool"]
    assert [worker.pool for worker in deployment.needs(Worker)] == ["local-pool"]


@pytest.mark.parametrize(
    ("builder", "told"),
    [
        pytest.param(local_process(), "no builder gives the deployment a name", id="no name"),
        pytest.param(namer(name="nightly"), "no builder says where report/nightly-dev runs", id="no pool"),
    ],
)
def test_what_no_deployment_can_do_without_is_asked_for(builder: Any, told: str) -> None:
    """As a deploy asks for it."""
    with pytest.raises(ValidationFailed, match=told):
        deployment_of(report, builder)


def test_a_live_pool_is_what_job_variables_are_checked_against() -> None:
    """Those of a pool that others have made are known once it is there."""
    wanted = work_pool_deployer.with_variables(name="nightly", work_pool="theirs", job_variables={"memory": 2})

    assert deployment_of(report, wanted).job_variables["memory"] == 2
    with pytest.raises(ValidationFailed, match="has no job variable 'memory'"):
        deployment_of(report, wanted, live=Live(pools={"theirs": "process"}))
    with pytest.raises(ValidationFailed, match="there is no work pool 'theirs'"):
        deployment_of(report, wanted, live=Live())


def test_a_job_keeps_references_and_nothing_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a block holds is known to a run alone, and what this host knows is in no snapshot."""
    monkeypatch.setenv("PREFECT_API_KEY", "planted")
    secret = "{{ prefect.blocks.secret.token }}"
    builders = namer(name="n") | kubernetes(image="shop:1", env={"TOKEN": secret}, work_pool="team")
    job = job_of(deployment_of(report, builders))

    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {"name": "TOKEN", "value": secret} in container["env"]
    assert "planted" not in str(job)
    assert job == job_of(deployment_of(report, builders))


def test_a_job_s_pool_may_be_another_one() -> None:
    """By its type, by its record, or as a component; one of which nobody knows the type is asked for."""
    wanted: Recipe = work_pool_deployer
    deployment = deployment_of(
        report, wanted.with_variables(name="n", work_pool="theirs", job_variables={"image": "a:1"})
    )

    for pool in ("kubernetes", {"type": "kubernetes"}, WorkerPool(name="theirs", type="kubernetes")):
        (container,) = job_of(deployment, pool)["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "a:1"
    with pytest.raises(ConfigurationError, match="of what type its work pool 'theirs' is"):
        job_of(deployment)
    with pytest.raises(ConfigurationError, match="Prefect knows no worker of type 'kubernets'"):
        job_of(deployment, "kubernets")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param({"cron": "0 6 * * *", "timezone": "Europe/Berlin", "holidays": "DE"}, ["24", "27"], id="holidays"),
        pytest.param({"cron": "0 6 * * *", "timezone": "Europe/Berlin"}, ["24", "25", "26", "27"], id="every day"),
        pytest.param({"rrule": "FREQ=WEEKLY;BYDAY=SU", "timezone": "UTC"}, ["27"], id="rrule"),
    ],
)
def test_fires_are_those_between_two_days(schedule: dict[str, Any], expected: list[str]) -> None:
    """Both of them included, in the schedule's own timezone, however it is given."""
    days = ("2026-12-24", "2026-12-27")
    stored = deployment_of(report, NIGHTLY | scheduler.model_validate({"schedule": schedule}), now=NOW)

    assert [f"{run:%d}" for run in fires_of(schedule, between=days, now=NOW)] == expected
    assert fires_of(stored, between=days) == fires_of(schedule, between=days, now=NOW)


def test_violations_are_those_of_the_policies_that_are_named() -> None:
    """With options or without; the deployment knows which recipe made it, and what that was told."""
    deployment = deployment_of(report, kubernetes_run_deployer.with_variables(name="nightly", image="shop"))
    approved = BUILT_IN["only_approved"]

    assert [str(one) for one in violations_of(deployment, BUILT_IN["images_pinned"], BUILT_IN["described"])] == [
        "policy images_pinned: the image 'shop' may be another one tomorrow"
    ]
    assert violations_of(deployment, approved.with_options(recipes=["kubernetes_*"])) == []
    assert len(violations_of(deployment, approved.with_options(recipes=["acme_*"], work_pools=["etl"]))) == 2
    assert violations_of(deployment) == []


PROJECT = """
project: shop
deployments:
  load:
    - {recipe: process_run_deployer, variables: {name: nightly, work_pool: team}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one deployment."""
    (tmp_path / "flows.py").write_text("from prefect import flow\n\n\n@flow\ndef load(): ...\n")
    (tmp_path / "meta_prefect.yaml").write_text(PROJECT)
    return tmp_path


def test_a_plan_is_against_what_is_given(project: Path) -> None:
    """Nothing is there, others have made the pool, all is deployed, or one is no longer wanted."""
    deployed = deployments_of(project)
    another = deployment_of(report, NIGHTLY, project="shop")

    assert changes_of(plan_of(project)) == [
        "create work pool team",
        "create worker team-worker",
        "create deployment load/nightly-dev",
    ]
    assert changes_of(plan_of(project, live=Live(pools={"team": "process"}))) == ["create deployment load/nightly-dev"]
    assert changes_of(plan_of(project, live=Live(*deployed.values()))) == []
    assert changes_of(plan_of(project, live=Live(*deployed.values(), another), prune=True)) == [
        "delete deployment report/nightly-dev"
    ]


def test_a_snapshot_is_readable_and_tells_what_differs(project: Path, tmp_path: Path) -> None:
    """It is written when that is asked for, holds nothing of this folder, and is compared from then on."""

    def snapshots(*, update: bool = False) -> Snapshots:
        return Snapshots(tmp_path / "test_shop.py", "test_it[a b]", tmp_path, update=update)

    (deployment,) = deployments_of(project).values()
    with pytest.raises(AssertionError, match="there is no snapshot yet; `pytest --meta-prefect-update` writes it"):
        snapshots()(deployment)
    snapshots(update=True)(deployment)
    snapshots(update=True)(plan_of(project), "plan")
    snapshots()(deployment)
    snapshots()(plan_of(project), "plan")

    folder = tmp_path / "snapshots" / "test_shop"
    assert (folder / "test_it-a-b.yaml").read_text() == (
        "deployment: load/nightly-dev\n"
        "entrypoint: flows.py:load\n"
        "pull_steps: [{prefect.deployments.steps.set_working_directory: {directory: <root>}}]\n"
        "tags: [env=dev, meta-prefect=shop]\n"
        "enforce_parameter_schema: true\n"
        "job_variables: {meta_env: dev}\n"
        "work_pool_name: team\n"
        "version: next integer\n"
        "needs: [work pool team, worker team-worker]\n"
    )
    assert "create work pool team:\n" in (folder / "test_it-a-b.plan.yaml").read_text()
    with pytest.raises(AssertionError, match=r"(?s)differs.*-work_pool_name: team\n\+work_pool_name: other"):
        snapshots()(deployment.model_copy(update={"work_pool_name": "other"}))
