"""Results in S3: a reference that costs nothing, and the block behind it."""

from __future__ import annotations

import asyncio
import pickle
import re
from typing import Any

import pytest
from prefect import flow
from prefect_aws.credentials import AwsCredentials  # pyright: ignore[reportMissingTypeStubs]
from prefect_aws.s3 import S3Bucket  # pyright: ignore[reportMissingTypeStubs]
from support import Api

from meta_prefect.errors import ConfigurationError, ConflictError, RefusedError
from meta_prefect.flows.catalog import components_of
from meta_prefect.implementations.filesystem import S3Filesystem
from meta_prefect.implementations.filesystem.s3_blocks import S3BucketBlock
from meta_prefect.implementations.saved_blocks import SavedCredentials
from meta_prefect.local.host import LocalHost
from meta_prefect.server import connect

SECRET = "not-for-anybodys-eyes"


def test_a_reference_is_text_that_prefect_takes_for_a_block() -> None:
    """It is a string `s3-bucket/<name>`, the same for the same settings, another for others; blocks' names hold no more."""
    one = S3Filesystem(type="s3", bucket="my-bucket", path="my-path")
    assert isinstance(one, str)
    assert re.fullmatch(r"s3-bucket/my-bucket-my-path-[0-9a-f]{8}", one)
    assert one == S3Filesystem(bucket="my-bucket", path="/my-path/")
    assert one != S3Filesystem(bucket="my-bucket", path="my-path", credentials="other")
    assert repr(one) == "S3Filesystem(bucket='my-bucket', path='my-path', credentials=None)"


def test_it_survives_pickling() -> None:
    """A flow that holds one can be sent to another process."""
    one = S3Filesystem(bucket="my-bucket", path="my-path", credentials="minio-credentials/shop")
    copied = pickle.loads(pickle.dumps(one))  # noqa: S301 - our own
    assert (copied, copied.credentials, tuple(copied.requires)) == (one, one.credentials, tuple(one.requires))


def test_a_deploy_finds_what_a_flow_needs() -> None:
    """The block stands behind the flow's result storage, also after `with_options`; other storages need nothing of us."""
    storage = S3Filesystem(bucket="my-bucket", credentials="shop")

    @flow(result_storage=storage)
    def report() -> None: ...

    (block,) = components_of(report.with_options(retries=1))
    assert isinstance(block, S3BucketBlock)
    assert (f"s3-bucket/{block.name}", block.bucket, block.credentials) == (
        storage,
        "my-bucket",
        "aws-credentials/shop",
    )
    assert [str(one) for one in block.requires] == ["credentials block aws-credentials-shop"]
    assert components_of(report.with_options(result_storage="local-file-system/x")) == ()
    assert components_of(report.with_options(result_storage=None)) == ()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param({"bucket": "My_Bucket"}, "'My_Bucket' is no name of a bucket", id="bucket"),
        pytest.param({"bucket": "shop", "path": "a/../b"}, "holds '.' or '..'", id="path"),
        pytest.param({"bucket": "shop", "type": "gcs"}, "there is no type of store 'gcs'", id="type"),
        pytest.param({"bucket": "shop", "credentials": "AKIA/SECRET"}, "named, never written down", id="credentials"),
        pytest.param({"bucket": "shop", "credentials": "secret/x"}, "minio-credentials/…", id="block type"),
    ],
)
def test_what_can_be_no_place_is_refused_where_it_is_written(arguments: dict[str, Any], told: str) -> None:
    """Wrong settings are refused when the decorator is evaluated; what may be a secret is not shown."""
    with pytest.raises(ConfigurationError, match=re.escape(told)) as refusal:
        S3Filesystem(**arguments)
    assert "SECRET" not in str(refusal.value)


async def _ensured(component: Any) -> tuple[Any, list[str], list[str]]:
    """Write a component as a deploy does; returns what there was before, and what differed before and after."""
    async with connect(LocalHost(start_worker=False)) as api:
        before = await component.read(api)
        differing = [change.path for change in component.compare(before)]
        await component.write(api, before)
        return before, differing, [change.path for change in component.compare(await component.read(api))]


def test_a_deploy_saves_the_block_with_its_credentials_by_reference(server: Api, unique: str) -> None:
    """The block names the saved credentials and holds nothing of them; saving it twice changes nothing."""
    AwsCredentials(aws_access_key_id="shop", aws_secret_access_key=SECRET).save(unique)  # pyright: ignore
    storage = S3Filesystem(bucket="my-bucket", path="results", credentials=unique)
    (block,) = storage.requires

    before, differing, after = asyncio.run(_ensured(block))
    assert (before, sorted(differing), after) == (None, ["bucket_folder", "bucket_name", "credentials"], [])
    assert asyncio.run(_ensured(block))[1:] == ([], [])

    stored = server.get(f"/block_types/slug/s3-bucket/block_documents/name/{block.name}?include_secrets=true")
    reference = stored["block_document_references"]["credentials"]["block_document"]
    assert (stored["data"]["bucket_name"], stored["data"]["bucket_folder"]) == ("my-bucket", "results")
    assert reference["name"] == unique
    loaded: Any = S3Bucket.load(str(storage).partition("/")[2])
    assert loaded.credentials.aws_secret_access_key.get_secret_value() == SECRET


def test_a_block_that_somebody_changed_is_mended(server: Api, unique: str) -> None:
    """What differs from the settings is seen, field by field, and written back."""
    (block,) = S3Filesystem(bucket="my-bucket", path=unique).requires
    S3Bucket(bucket_name="my-bucket", bucket_folder="elsewhere").save(block.name)  # pyright: ignore

    before, differing, after = asyncio.run(_ensured(block))
    assert before["bucket_folder"] == "elsewhere"
    assert (differing, after) == (["bucket_folder"], [])


def test_missing_credentials_stop_a_deploy_before_anything_is_written(server: Api, unique: str) -> None:
    """Credentials are looked for when the deploy is planned; the error says to save them."""
    with pytest.raises(ConflictError, match=f"there is no block '{unique}' of type aws-credentials") as refusal:
        asyncio.run(_ensured(SavedCredentials.of(f"aws-credentials/{unique}")))
    assert "Save it first" in str(refusal.value.hint)


def test_without_a_deploy_ensure_saves_the_block(server: Api, unique: str) -> None:
    """In a script one call is enough; with credentials that do not exist it says so."""
    storage = S3Filesystem(bucket="my-bucket", path=unique).ensure()
    name = storage.partition("/")[2]
    assert server.get(f"/block_types/slug/s3-bucket/block_documents/name/{name}")["data"]["bucket_folder"] == unique
    with pytest.raises(RefusedError, match=unique):
        S3Filesystem(bucket="my-bucket", credentials=unique).ensure()
