"""Code and results in a real S3 store: uploaded by a deploy, downloaded and run by a worker."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from code_store.store import SECRET, Store, running_store
from prefect.client.orchestration import get_client
from support import Api

from meta_prefect.deploy import deploy
from meta_prefect.errors import DeployFailed, ValidationFailed

pytestmark = pytest.mark.stores

FLOW = """
    from prefect import flow

    from helping import doubled
    from meta_prefect.implementations.code import s3_code
    from meta_prefect.implementations.filesystem import S3Filesystem
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import namer

    @namer(name="nightly")
    @s3_code(bucket="BUCKET", path="code", credentials="CREDENTIALS")
    @local_process()
    @flow(name="UNIQUE", result_storage=S3Filesystem(bucket="BUCKET", path="results", credentials="CREDENTIALS"))
    def add(x: int = 1) -> int:
        return doubled(x)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Generator[Store]:
    """The store, started for the first test of this module."""
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def bucket(store: Store, unique: str) -> str:
    """A bucket of the test's own."""
    store.client().create_bucket(Bucket=unique)
    return unique


@pytest.fixture
def shop(project: Any, unique: str) -> Any:
    """Write a project whose code and results are kept in a bucket."""

    def write(bucket: str, credentials: str) -> Path:
        text = FLOW.replace("BUCKET", bucket).replace("CREDENTIALS", credentials)
        return project(
            flow=text,
            helping="def doubled(x: int) -> int:\n    return 2 * x\n",
            **{
                "meta_prefect.yaml": "project: UNIQUE\n",
                ".prefectignore": "*.secret\nprivate/\n",
                "token.secret": "hidden",
                "private/notes.txt": "hidden",
                "data/table.csv": "a,b",
            },
        )

    return write


async def result_of(run_id: str) -> Any:
    """What a run has returned, read back from where it is kept."""
    async with get_client() as client:
        run = await client.read_flow_run(uuid.UUID(run_id))
        assert run.state is not None
        return await run.state.aresult()


def folder_of(deployment: Any) -> str:
    """Where the deployment's code is in the bucket."""
    (step,) = deployment["pull_steps"]
    return step["prefect_aws.deployments.steps.pull_from_s3"]["folder"]


def test_a_run_downloads_what_the_deploy_uploaded(
    server: Api, store: Store, bucket: str, shop: Any, unique: str
) -> None:
    """The project is in the store once, without what is ignored; a run executes it; the result is in the store."""
    folder = shop(bucket, store.save_credentials(unique))
    deploy([str(folder)])
    deployment = server.deployment(f"{unique}/nightly-dev")
    code = folder_of(deployment)
    assert code.startswith(f"code/{unique}/dev/")
    kept = {key.removeprefix(f"{code}/") for key in store.keys(bucket) if key.startswith(f"{code}/")}
    assert kept == {".prefectignore", "data/table.csv", "flow.py", "helping.py", "meta_prefect.yaml"}
    assert SECRET not in str(deployment)

    command = [
        sys.executable,
        "-m",
        "prefect",
        "deployment",
        "run",
        f"{unique}/nightly-dev",
        "--watch",
        "--param",
        "x=21",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    (run,) = server.post("/flow_runs/filter", flows={"name": {"any_": [unique]}})
    assert run["state"]["type"] == "COMPLETED", done.stdout + str(server.post("/logs/filter"))
    assert any(key.startswith("results/") for key in store.keys(bucket))
    assert asyncio.run(result_of(run["id"])) == 42


def test_unchanged_code_is_uploaded_once(server: Api, store: Store, bucket: str, shop: Any, unique: str) -> None:
    """The same content stays where it is; changed content goes to a folder of its own, beside the old one."""
    folder = shop(bucket, store.save_credentials(unique))
    deploy([str(folder)])
    first, keys = folder_of(server.deployment(f"{unique}/nightly-dev")), store.keys(bucket)

    (again,) = deploy([str(folder)]).outcomes
    assert again.action == "unchanged"
    assert store.keys(bucket) == keys

    (folder / "helping.py").write_text("def doubled(x: int) -> int:\n    return x + x\n")
    deploy([str(folder)])
    second = folder_of(server.deployment(f"{unique}/nightly-dev"))
    assert second != first
    assert set(store.keys(bucket)) > set(keys)


@pytest.mark.parametrize(
    ("user", "secret", "place", "told"),
    [
        pytest.param("writer", "wrong", "", "does not accept the credentials", id="wrong secret"),
        pytest.param("writer", SECRET, "-nowhere", "there is no bucket", id="missing bucket"),
    ],
)
def test_a_store_that_refuses_stops_the_deploy_before_anything_is_written(
    server: Api, store: Store, bucket: str, shop: Any, unique: str, user: str, secret: str, place: str, told: str
) -> None:
    """Wrong credentials and missing buckets are found while planning."""
    folder = shop(f"{bucket}{place}", store.save_credentials(unique, user, secret))
    with pytest.raises(ValidationFailed, match=told) as refusal:
        deploy([str(folder)])
    assert secret not in str(refusal.value) or secret == "wrong"
    assert SECRET not in str(refusal.value)
    assert server.deployments_of(unique) == []


def test_a_read_only_identity_leaves_no_half_deployed_flow(
    server: Api, store: Store, bucket: str, shop: Any, unique: str
) -> None:
    """Whoever may not write finds out at the upload: the deployment that needs it is not written."""
    folder = shop(bucket, store.save_credentials(unique, "reader"))
    with pytest.raises(DeployFailed) as failure:
        deploy([str(folder)])
    report = failure.value.report
    assert "may not be written to with these credentials" in report.failed[0].detail
    assert server.deployments_of(unique) == []
    assert store.keys(bucket) == []
