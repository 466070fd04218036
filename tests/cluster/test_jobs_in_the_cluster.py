"""Jobs with everything that can be said: taken by the API server that KUBECONFIG points at."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from cluster.kube import BATCH, Kube, own_namespace
from infra.job_configurations import job_made_by
from infra.test_kubernetes_jobs import FULL
from support import Api
from values import a_deployment

from meta_prefect.implementations.infra import kubernetes

pytestmark = pytest.mark.kubernetes


@pytest.fixture
def kube(unique: str) -> Generator[Kube]:
    """A namespace of the test's own."""
    with own_namespace(unique) as namespace:
        yield namespace


def test_a_job_with_everything_set_is_taken(server: Api, kube: Kube) -> None:
    """What Prefect's worker would submit is created as it was written: nothing of it is dropped or refused."""
    given: dict[str, Any] = {**FULL, "namespace": kube.namespace}
    manifest = job_made_by(kubernetes(**given), a_deployment(environment="prod"))
    made = kube.create(BATCH, "jobs", manifest)
    spec = made["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (wanted,) = manifest["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == wanted["resources"]
    assert [one["name"] for one in container["env"]] == [one["name"] for one in wanted["env"]]
    assert (spec["nodeSelector"], spec["priorityClassName"]) == ({"pool": "big"}, "batch")
    assert made["metadata"]["labels"]["team"] == "shop"
