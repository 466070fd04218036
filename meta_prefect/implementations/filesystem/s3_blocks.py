"""The component for Prefect's S3 bucket block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from meta_prefect.errors import OverloadedError, RefusedError, UnreachableError
from meta_prefect.implementations.filesystem.s3_settings import BucketName, BucketPath, CredentialsReference
from meta_prefect.implementations.saved_blocks import SavedCredentials, document_path, load_block
from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_within

if TYPE_CHECKING:
    from prefect_aws.s3 import S3Bucket  # pyright: ignore[reportMissingTypeStubs]

BUCKET_TYPE = "s3-bucket"
"""Prefect's block type for buckets."""

_WRITTEN_OUT = "(written out in the block)"


class S3BucketBlock(Component):
    """A saved block for a path in an S3 store; its credentials are a reference.

    Attributes:
        bucket: The bucket.
        path: The path in it.
        credentials: ``<block type>/<name>``; None for the run's ambient credentials, such as a role.
    """

    kind: ClassVar[str] = "s3 block"

    bucket: BucketName
    path: BucketPath = ""
    credentials: CredentialsReference | None = None

    @property
    def requires(self) -> Iterable[Component]:
        """The saved credentials block."""
        return () if self.credentials is None else (SavedCredentials.of(self.credentials),)

    @property
    def blocks(self) -> Iterable[tuple[str, str]]:
        """The block it saves."""
        return ((BUCKET_TYPE, self.name),)

    def _wanted(self) -> Record:
        return {"bucket_name": self.bucket, "bucket_folder": self.path, "credentials": self.credentials}

    async def read(self, api: Api) -> Record | None:
        """Read the block, without secrets."""
        found = await api.get(f"{document_path(BUCKET_TYPE, self.name)}?include_secrets=false")
        if found is None:
            return None
        data: Record = found["data"]
        return {
            "bucket_name": data.get("bucket_name"),
            "bucket_folder": data.get("bucket_folder") or "",
            "credentials": _reference(found),
        }

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare the bucket, the path and the credentials reference."""
        return differences_within(ABSENT if live is None else live, self._wanted())

    async def write(self, api: Api, live: Record | None) -> None:
        """Save the block.

        Raises:
            RefusedError: The credentials block no longer exists, or the API rejects the block.
        """
        del api, live  # Prefect's own class registers the block; it uses the same API.
        await self.save()

    async def save(self) -> None:
        """Save the block via the Prefect API from the settings; raises the errors of :meth:`write`."""
        import httpx
        from prefect.exceptions import PrefectHTTPStatusError

        try:
            block = await self.block()
            await block.asave(self.name, overwrite=True)
        except httpx.TransportError as error:
            raise UnreachableError(f"the Prefect API does not answer ({error})", where=str(self)) from error
        except PrefectHTTPStatusError as error:
            status = error.response.status_code
            kind = OverloadedError if status in (429, 502, 503, 504) else RefusedError
            raise kind(f"the Prefect API answers {status}", where=str(self)) from error
        except ValueError as error:
            raise RefusedError(str(error), where=str(self)) from error

    async def block(self) -> S3Bucket:
        """Build Prefect's own block with these settings and the saved credentials, without saving it.

        Raises:
            ValueError: The credentials do not exist.
        """
        from prefect_aws.s3 import S3Bucket  # pyright: ignore[reportMissingTypeStubs]

        fields: dict[str, Any] = {"bucket_name": self.bucket, "bucket_folder": self.path}
        if self.credentials is not None:
            fields["credentials"] = await load_block(self.credentials)
        return S3Bucket(**fields)


def _reference(found: Record) -> str | None:
    references: Record = found.get("block_document_references") or {}
    if (named := references.get("credentials")) is not None:
        block: Record = named["block_document"]
        return f"{block['block_type']['slug']}/{block['name']}"
    inline: Record = found["data"].get("credentials") or {}
    held = any(inline.get(key) for key in ("aws_access_key_id", "aws_secret_access_key", "minio_root_user"))
    return _WRITTEN_OUT if held else None
