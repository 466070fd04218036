"""Where a bootstrapped deployer gets the project: fixed at bootstrap, and not changeable by a run."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code.git import (
    check_folder,
    check_reference,
    check_repository,
    check_token,
)
from meta_prefect.implementations.saved_blocks import SavedCredentials
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.markdown import code
from meta_prefect.project.policies import Enforcement

PULL_STEP: Final = "meta_prefect.steps.fetching.project_source"
"""The pull step of a deployer's deployments."""

Reference = Annotated[str, AfterValidator(check_reference)]


class ProjectSource(BaseModel):
    """A folder of one host, or a Git repository.

    Attributes:
        folder: The project's folder on the host that deploys.
        repository: The repository's address: https, ssh or file.
        revision: The branch, tag or commit that is deployed where a run names none; None means the default branch.
        revisions: Patterns of what a run may name instead; none allows nothing else.
        token: The saved block that opens a private repository over https, as ``<block type>/<name>``.
        subfolder: The project's folder in the repository.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    folder: str | None = Field(default=None, title="Folder")
    repository: Annotated[str, AfterValidator(check_repository)] | None = Field(default=None, title="Repository")
    revision: Reference | None = Field(default=None, title="Branch or commit")
    revisions: tuple[Reference, ...] = Field(default=("*",), title="Branches and commits that may be chosen")
    token: Annotated[str, AfterValidator(check_token)] | None = Field(default=None, title="Token")
    subfolder: Annotated[str, AfterValidator(check_folder)] = Field(default="", title="Folder in the repository")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.folder is None) == (self.repository is None):
            raise ValueError("give either a folder or a repository")
        if self.token is not None and not (self.repository or "").startswith("https://"):
            raise ValueError("a token is for repositories over https; ssh has keys of its own")
        return self

    def __str__(self) -> str:
        if self.repository is None:
            return code(self.folder or "")
        at = f" at {code(self.revision)}" if self.revision else ""
        return f"{code(self.repository)}{at}{f', folder {code(self.subfolder)}' if self.subfolder else ''}"

    def may_name(self, revision: str) -> bool:
        """Return whether a run may request a branch or commit."""
        return revision == self.revision or any(fnmatchcase(revision, pattern) for pattern in self.revisions)


class project_source(Builder):  # noqa: N801 - used like a function
    """Lets the runs of a deployer get the project from one place.

    Attributes:
        source: The place.
        fetch: Whether a run starts in the fetched project, because its own code is in it. Otherwise the run fetches the project
            itself, at the branch or commit that it is asked for.
        enforcement: The policies to which a run holds the project, whatever that says.
    """

    step: ClassVar[str] = "fix where the project comes from"

    source: ProjectSource
    fetch: bool = False
    enforcement: Enforcement = Enforcement()

    @property
    def requires(self) -> list[Component]:
        """The saved block with the credentials."""
        return [] if self.source.token is None else [SavedCredentials.of(self.source.token)]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the pull step, and mention the project's source in the description."""
        source = self.source.model_dump(exclude_none=True, mode="json")
        given: dict[str, Any] = {"source": source}
        if self.fetch:
            given["fetch"] = True
        if self.enforcement:
            given["enforcement"] = self.enforcement.as_json()
        deployment.pull_steps = [{PULL_STEP: given}]
        place = f"The project comes from {self.source}."
        names = ", ".join(code(one.policy) for one in self.enforcement.policies)
        held = f"It is held to the policies {names}, whatever it says itself." if names else ""
        deployment.description = "\n\n".join(filter(None, (deployment.description, place, held)))
        return deployment
