"""The context of a deploy: fixed once at its start, and the same for every retry."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from meta_prefect.interfaces.approval import Approval
from meta_prefect.interfaces.smoke import Smoke
from meta_prefect.interfaces.tags import Names
from meta_prefect.texts import check_plain

__all__ = ["CodeOrigin", "DeployContext"]


class CodeOrigin(BaseModel):
    """The Git repository that a deployer fetched a project from, at the deploy's commit.

    Attributes:
        repository: Its URL.
        token: The saved block with its credentials, as ``<block type>/<name>``.
        folder: The project's folder in it.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    repository: str = Field(title="Repository")
    token: str | None = Field(default=None, title="Token")
    folder: str = Field(default="", title="Folder")


class DeployContext(BaseModel):
    """Everything that a builder may know besides its deployment.

    All runs of one deploy agree on the clock, the commit and the versions. A recipe that is started alone makes its own.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    project: str = Field(title="Project", description="The project that owns the deployments.")
    renamed_from: tuple[str, ...] = Field(
        default=(),
        title="Former names",
        description="Names that the project had before: what is owned by one of these is taken over.",
    )
    source: str = Field(title="Source", description="The folder that holds the project, on the host that deploys.")
    environment: Annotated[str, AfterValidator(check_plain)] = Field(
        title="Environment", description="The environment to deploy to, for example dev or prod."
    )
    called: dict[str, str] = Field(
        default={},
        title="Other words",
        description="The words for environments in names and tags of deployments, where they are others: production for prod.",
    )
    now: AwareDatetime = Field(title="Clock", description="The moment of the deploy, with its UTC offset.")
    deploy_id: str = Field(title="Deploy", description="Names this deploy; retries of it carry the same one.")
    commit: str | None = Field(
        default=None,
        title="Commit",
        description="The Git commit of the source, with +dirty where it was changed since.",
    )
    origin: CodeOrigin | None = Field(
        default=None,
        title="Origin",
        description="Where the source was fetched from for this deploy alone; runs then fetch the same commit from there.",
    )
    tags: tuple[str, ...] = Field(default=(), title="Tags", description="Further tags for every deployment.")
    version: str | None = Field(
        default=None, title="Version", description="The version to set instead of the recipe's."
    )
    next_versions: bool = Field(
        default=True,
        title="Count this deploy",
        description="Whether counted versions go up. An explicit deploy counts; a scheduled or healing one does not.",
    )
    bump: bool = Field(
        default=False,
        title="Count at any price",
        description="Whether counted versions go up even where nothing else differs and scheduled runs are lost by it.",
    )
    versions: dict[str, str] = Field(
        default={},
        title="Planned versions",
        description="The counted version that the plan of this deploy fixed for each flow/deployment.",
    )
    unsettled: tuple[str, ...] = Field(
        default=(),
        title="Unsettled",
        description="Each flow/deployment that an earlier attempt wrote and whose builders have not acted since.",
    )
    stop_at_failure: bool = Field(
        default=False,
        title="Stop at the first failure",
        description="Whether nothing more is written once a deployment has failed, so that less has to be put back.",
    )
    start_worker: bool = Field(
        default=True, title="Start a worker", description="Whether a worker process may be started on this host."
    )
    build_images: bool = Field(
        default=True, title="Build images", description="Whether images are built and pushed, or only referred to."
    )
    automatic: bool = Field(
        default=False,
        title="Automatic",
        description="Whether nobody asked for this deploy: it was scheduled, or heals. What is held is then left alone.",
    )
    preview: bool = Field(
        default=False,
        title="Preview",
        description="Whether this environment expires: what is created begins paused, and automations begin disabled.",
    )
    smoke: Smoke | None = Field(
        default=None,
        title="Smoke run",
        description="The run by which deployments of this environment show that they work before their schedules are active.",
    )
    approval: Approval | None = Field(
        default=None, title="Approval", description="Who approved this deploy, where its environment asks for that."
    )
    promoted_from: str | None = Field(
        default=None, title="Promoted from", description="The environment whose live commit is deployed."
    )
    images: dict[str, str] = Field(
        default={},
        title="Images",
        description="The image with its tag or digest that is used instead of building one, by its name without them.",
    )
    adopt: bool = Field(
        default=False,
        title="Adopt",
        description="Whether to take over deployments of the same name that nobody owns.",
    )

    @property
    def names(self) -> Names:
        """The project's names, the current one first."""
        return (self.project, *self.renamed_from)

    def word_for(self, environment: str) -> str:
        """Return how an environment is written in names and tags of deployments."""
        return self.called.get(environment, environment)

    def at(self, now: datetime) -> DeployContext:
        """Return the same context at another time."""
        return self.model_copy(update={"now": now})
