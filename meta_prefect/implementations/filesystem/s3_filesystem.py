"""An S3 result storage that a flow can reference before its block exists."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.filesystem.s3_blocks import BUCKET_TYPE, S3BucketBlock
from meta_prefect.implementations.filesystem.s3_settings import as_configuration_error, stable_name
from meta_prefect.interfaces.components import Component


class S3Filesystem(str):
    """A path in an S3 store for results: ``@flow(result_storage=S3Filesystem(bucket="shop", path="results"))``.

    It is a reference to a Prefect block, ``s3-bucket/<name derived from the settings>``. Creating it stores nothing and makes
    no request. A deploy saves the block for each flow that references it; without a deploy, call :meth:`ensure`. If the block
    does not exist, a run fails with Prefect's "unable to find block document": deploy the flow, or call :meth:`ensure` once.


    Args:
        bucket: The bucket.
        path: The path in the bucket under which results are stored.
        credentials: The name of a saved block with credentials, of type ``aws-credentials``, or, written as
            ``minio-credentials/<name>``, of that type; None to use the run's ambient credentials, such as a role.
        type: The kind of store.


    Raises:
        ConfigurationError: The bucket, the path or the name of the credentials block is invalid.
    """

    __slots__ = ("_block",)

    _block: S3BucketBlock

    def __new__(
        cls,
        *,
        bucket: str,
        path: str = "",
        credentials: str | None = None,
        type: str = "s3",  # noqa: A002
    ) -> S3Filesystem:
        """Validate the settings and derive the block's name from them."""
        if type != "s3":
            raise ConfigurationError(
                f"there is no type of store {type!r}", where="S3Filesystem", hint="The only type is 's3'."
            )
        try:
            block = S3BucketBlock(bucket=bucket, path=path, credentials=credentials)
        except ValidationError as error:
            raise as_configuration_error(error, "S3Filesystem") from None
        name = stable_name(block.model_dump(include={"bucket", "path", "credentials"}))
        made = super().__new__(cls, f"{BUCKET_TYPE}/{name}")
        made._block = block.model_copy(update={"name": name})
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return (_again, (self.bucket, self.path, self.credentials))

    def __repr__(self) -> str:
        return f"S3Filesystem(bucket={self.bucket!r}, path={self.path!r}, credentials={self.credentials!r})"

    @property
    def bucket(self) -> str:
        """The bucket."""
        return self._block.bucket

    @property
    def path(self) -> str:
        """The path in the bucket, without leading or trailing slashes."""
        return self._block.path

    @property
    def credentials(self) -> str | None:
        """The block with credentials, ``<type>/<name>``."""
        return self._block.credentials

    @property
    def requires(self) -> Iterable[Component]:
        """The block that a deploy must save."""
        return (self._block,)

    def ensure(self) -> S3Filesystem:
        """Save the block via the Prefect API from the settings, for use without a deploy; return self.

        Raises:
            RefusedError: The credentials block does not exist, or the API rejects the block.
            UnreachableError: The API does not respond.
        """
        from meta_prefect.prefect_internals.utilities import run_coro_as_sync

        run_coro_as_sync(self.aensure())
        return self

    async def aensure(self) -> S3Filesystem:
        """Like :meth:`ensure`, for use in an event loop."""
        await self._block.save()
        return self


def _again(bucket: str, path: str, credentials: str | None) -> S3Filesystem:
    return S3Filesystem(bucket=bucket, path=path, credentials=credentials)
