"""Code that the deploy uploads to an S3 store and each run downloads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code.files import content_hash
from meta_prefect.implementations.code.s3_store import S3Store, upload
from meta_prefect.implementations.filesystem.s3_settings import BucketName, BucketPath, CredentialsReference
from meta_prefect.implementations.saved_blocks import SavedCredentials
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_within


def folder_of(path: str, deployment: Deployment) -> str:
    """Return a deployment's folder in the bucket: by project, environment and content, so that uploaded code never changes."""
    content = content_hash(deployment.flow.source, deployment.context.deploy_id)
    return "/".join(part for part in (path, deployment.context.project, deployment.environment, content) if part)


class S3Place(BaseModel):
    """Where in an S3 store projects are kept.

    Attributes:
        bucket: The bucket.
        path: The path in the bucket under which projects are kept.
        credentials: The name of a saved block with credentials; left empty, what the surroundings of deploy and run offer.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    bucket: BucketName
    path: BucketPath = ""
    credentials: CredentialsReference | None = None


class s3_code(Builder):  # noqa: N801 - used like a function
    """Uploads the project to an S3 store and lets each run download it. It is uploaded only where its content has changed.

    What the project's ``.prefectignore`` excludes is not uploaded.

    Attributes:
        bucket: The bucket.
        path: The path in the bucket under which projects are kept.
        credentials: The name of a saved block with credentials, as in ``S3Filesystem``; None means what the surroundings of
            deploy and run offer, such as a role.
    """

    step: ClassVar[str] = "run the code from s3"

    bucket: BucketName
    path: BucketPath = ""
    credentials: CredentialsReference | None = None

    @property
    def requires(self) -> Iterable[Component]:
        """The upload as a component."""
        return (UploadedCode(bucket=self.bucket, path=self.path, credentials=self.credentials),)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Make each run download the project."""
        pull: Record = {"bucket": self.bucket, "folder": folder_of(self.path, deployment)}
        if self.credentials is not None:
            pull["credentials"] = "{{ prefect.blocks." + self.credentials.replace("/", ".") + " }}"
        deployment.pull_steps = [{"prefect_aws.deployments.steps.pull_from_s3": {"requires": "prefect-aws", **pull}}]
        return deployment


class UploadedCode(Component):
    """A project's files in an S3 store.

    Attributes:
        name: Bucket and folder, with ``:`` instead of slashes.
        bucket: The bucket.
        path: The path under which projects are stored.
        credentials: ``<block type>/<name>``; None to use ambient credentials.
        folder: The files' folder in the bucket; from the deployment.
        source: The project's folder on this host; from the deployment.
    """

    kind: ClassVar[str] = "uploaded code"

    bucket: BucketName
    path: BucketPath = ""
    credentials: CredentialsReference | None = None
    folder: str = ""
    source: str = Field(default="", exclude=True)

    @property
    def requires(self) -> Iterable[Component]:
        """The saved credentials block."""
        return () if self.credentials is None else (SavedCredentials.of(self.credentials),)

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Fill in folder and source from the deployment."""
        del host
        folder = folder_of(self.path, deployment)
        name = f"{self.bucket}:{folder.replace('/', ':')}"
        return self.model_copy(update={"name": name, "folder": folder, "source": deployment.flow.source})

    def _store(self) -> S3Store:
        return S3Store(bucket=self.bucket, credentials=self.credentials, where=str(self))

    async def read(self, api: Api) -> Record | None:
        """Check whether all files are uploaded, and if not, whether anything prevents it."""
        if self.credentials is not None and await SavedCredentials.of(self.credentials).read(api) is None:
            return {"complete": True}  # the credentials' component reports that they are missing
        try:
            return {"complete": True} if await self._store().holds(self.folder) else None
        except ConfigurationError as refusal:
            return {"complete": False, "refusal": refusal.message, "hint": refusal.hint}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Require the files of this content, which never change once uploaded.

        Raises:
            ConfigurationError: The store denies access, or the bucket does not exist.
        """
        if live is not None and (refusal := live.get("refusal")):
            raise ConfigurationError(refusal, where=str(self), hint=live["hint"])
        return differences_within(ABSENT if live is None else live, {"complete": True})

    async def write(self, api: Api, live: Record | None) -> None:
        """Upload the files.

        Raises:
            ConfigurationError: The store denies access, or the project has changed since it was planned.
        """
        del api, live
        if content_hash.__wrapped__(self.source, "") != self.folder.rpartition("/")[2]:
            raise ConfigurationError(
                f"the files of {self.source} changed while they were deployed", where=str(self), hint="Deploy again."
            )
        await upload(self._store(), self.source, self.folder)
