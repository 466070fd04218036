"""The S3 operations that a deploy needs: check whether a project is uploaded, and upload it. Translates boto3's errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from meta_prefect.errors import ConfigurationError, MetaPrefectError, OverloadedError, UnreachableError
from meta_prefect.implementations.code.files import project_files
from meta_prefect.implementations.saved_blocks import load_block

T = TypeVar("T")

_MARK: Final = ".complete"
"""Suffix of the marker object, next to a project's folder, that says the upload is complete."""


@dataclass(frozen=True, slots=True)
class S3Store:
    """A bucket and its credentials.

    Attributes:
        bucket: The bucket.
        credentials: ``<block type>/<name>`` of a saved block; None to use ambient credentials.
        where: The location named in error messages.
    """

    bucket: str
    credentials: str | None
    where: str

    async def holds(self, folder: str) -> bool:
        """Return whether all files of a folder were uploaded.

        Raises:
            ConfigurationError: The store denies access, or the bucket does not exist.
            UnreachableError: The store does not respond.
        """
        client = await self._client()

        def look() -> bool:
            answer = client.list_objects_v2(Bucket=self.bucket, Prefix=folder + _MARK, MaxKeys=1)
            return any(item["Key"] == folder + _MARK for item in answer.get("Contents", ()))

        return await self._ask(look, "read")

    async def put(self, source: Path, folder: str) -> None:
        """Upload a project's files, and then the completion marker.

        Raises:
            ConfigurationError: The store denies access, or the bucket does not exist.
            UnreachableError: The store does not respond.
        """
        client = await self._client()

        def send() -> None:
            for path in project_files(source):
                client.upload_file(str(source / path), self.bucket, f"{folder}/{path.as_posix()}")
            client.put_object(Bucket=self.bucket, Key=folder + _MARK, Body=b"")

        await self._ask(send, "written to")

    async def _client(self) -> Any:
        if self.credentials is not None:
            try:
                block = await load_block(self.credentials)
            except ValueError as error:
                raise ConfigurationError(str(error), where=self.where) from error
        else:
            from prefect_aws.credentials import AwsCredentials  # pyright: ignore[reportMissingTypeStubs]

            block = AwsCredentials()
        return cast("Any", block).get_client("s3")

    async def _ask(self, call: Callable[[], T], what: str) -> T:
        """Run a blocking call of boto3 in a thread and translate its exceptions."""
        import anyio.to_thread
        from boto3.exceptions import S3UploadFailedError  # pyright: ignore[reportMissingTypeStubs]
        from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs]

        try:
            return await anyio.to_thread.run_sync(call)
        except S3UploadFailedError as error:
            raise self._refused(error.__cause__ or error.__context__ or error, what) from error
        except ClientError as error:
            raise self._refused(error, what) from error
        except BotoCoreError as error:
            kind = (
                UnreachableError
                if "connect" in str(error).lower() or "timeout" in str(error).lower()
                else ConfigurationError
            )
            raise kind(f"the store cannot be {what}: {error}", where=self.where, hint=self._hint()) from error

    def _refused(self, error: BaseException, what: str) -> MetaPrefectError:
        answer: dict[str, Any] = getattr(error, "response", {})
        code = str(answer.get("Error", {}).get("Code", type(error).__name__))
        if answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return OverloadedError(f"the store cannot be {what} now ({code})", where=self.where)
        match code:
            case "NoSuchBucket" | "404":
                return ConfigurationError(
                    f"there is no bucket {self.bucket!r}",
                    where=self.where,
                    hint="Create it: a deploy creates no buckets.",
                )
            case "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken":
                return ConfigurationError(
                    f"the store does not accept the credentials ({code})", where=self.where, hint=self._hint()
                )
            case "AccessDenied" | "403" | "AllAccessDisabled":
                return ConfigurationError(
                    f"the bucket {self.bucket!r} may not be {what} with these credentials ({code})",
                    where=self.where,
                    hint=self._hint(),
                )
            case _:
                return ConfigurationError(f"the bucket {self.bucket!r} cannot be {what}: {code}", where=self.where)

    def _hint(self) -> str:
        if self.credentials is None:
            return "They are those of the surroundings; name a saved block as `credentials` to use others."
        return f"They are those of the block {self.credentials}."


async def upload(store: S3Store, source: str, folder: str) -> None:
    """Upload a project's files to a folder of a store; raises the errors of :meth:`S3Store.put`."""
    await store.put(Path(source), folder)
