"""What a deploy by these recipes would write, without a server."""

from datetime import UTC, datetime

import pytest
from meta_prefect.errors import MetaPrefectError
from meta_prefect.implementations.infra import local_process
from meta_prefect.implementations.metadata import namer
from meta_prefect.testing import Live, ReadyDeployment, deployment_of, fires_of, job_of, violations_of
from prefect import flow

from acme_recipes.components import Budget
from acme_recipes.policies import cost_center_named
from acme_recipes.recipes import acme_nightly


@flow
def load_orders(day: str = "yesterday") -> str:
    """Load the orders of a day."""
    return day


def nightly(live: Live | None = None, **variables: object) -> ReadyDeployment:
    wanted = acme_nightly.with_variables(**{"hour": 2, "cost_center": "4711", **variables})
    return deployment_of(load_orders, wanted, environment="prod", now=datetime(2026, 11, 20, tzinfo=UTC), live=live)


def test_the_deployment() -> None:
    deployment = nightly()

    assert deployment.full_name == "load-orders/nightly-prod"
    assert "cost-center=4711" in deployment.tags
    assert deployment.concurrency_limit == 1
    assert deployment.needs(Budget) == [Budget(name="budget_4711", euros=10)]


def test_the_process_that_prefect_s_worker_would_start() -> None:
    assert job_of(nightly())["env"]["META_PREFECT__ENV"] == "prod"


def test_it_runs_every_night_but_at_christmas() -> None:
    assert [run.day for run in fires_of(nightly(), between=("2026-12-24", "2026-12-28"))] == [24, 27, 28]


def test_the_policy() -> None:
    unpaid = deployment_of(load_orders, namer(name="unpaid") | local_process())

    assert violations_of(nightly(), cost_center_named) == []
    assert [one.message for one in violations_of(unpaid, cost_center_named)] == ["it names no cost center"]


def test_what_is_wrong_is_refused() -> None:
    with pytest.raises(MetaPrefectError, match="hour"):
        nightly(hour="late")
    with pytest.raises(MetaPrefectError, match="cost_center"):
        nightly(cost_centre="4711")
