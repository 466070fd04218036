"""The ``code`` variable of an entry: where a deployment's code comes from."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from meta_prefect.errors import ConfigurationError
from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code.git import (
    check_commit,
    check_folder,
    check_reference,
    check_repository,
    check_token,
    git_code,
)
from meta_prefect.implementations.code.image import image_code
from meta_prefect.implementations.code.s3 import S3Place, s3_code
from meta_prefect.implementations.code.source import folder_steps, source_steps
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.interfaces.short_forms import TEXT, reads


class GitPlace(BaseModel):
    """A Git repository that each run clones.

    Attributes:
        repository: The repository's address: https, ssh or file; left empty, the one that a deployer has fetched.
        commit: The hash of the commit; left empty, the one that is deployed.
        branch: A branch, whose newest commit each run takes.
        token: The saved block that opens a private repository, as ``<block type>/<name>``.
        folder: The folder of the repository in which runs start; left empty, the project's own.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    repository: Annotated[str, AfterValidator(check_repository)] | None = None
    commit: Annotated[str, AfterValidator(check_commit)] | None = None
    branch: Annotated[str, AfterValidator(check_reference)] | None = None
    token: Annotated[str, AfterValidator(check_token)] | None = None
    folder: Annotated[str, AfterValidator(check_folder)] | None = None

    @model_validator(mode="after")
    def _belongs_to_a_repository(self) -> Self:
        if self.repository is None and (said := self.model_dump(exclude_none=True)):
            raise ValueError(f"{', '.join(said)} need `repository`")
        return self


class Code(BaseModel):
    """Where the code comes from, one of these; in short ``image``, ``git`` or ``local``.

    Attributes:
        image: The project's folder in the image; ``.`` is the folder in which the image starts.
        git: A Git repository; in short, the one that a deployer has fetched the project from.
        s3: An S3 store, to which the project is uploaded.
        local: The project's folder, which the worker has in the same place as the host that deploys.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    image: str | None = Field(default=None, min_length=1, title="Image")
    git: GitPlace | None = Field(default=None, title="Git")
    s3: S3Place | None = Field(default=None, title="S3")
    local: Literal[True] | None = Field(default=None, title="Folder")

    @model_validator(mode="before")
    @classmethod
    @reads(TEXT)
    def _read_word(cls, value: object) -> object:
        words: dict[object, object] = {"image": {"image": "."}, "git": {"git": {}}, "local": {"local": True}}
        if isinstance(value, str) and value not in words:
            raise ValueError(f"{value!r} is no place of code: write image, git or local, or an object with git or s3")
        return words.get(value, value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"say one of image, git, s3 and local, not {' and '.join(given) or 'none'}")
        return self

    def builder(self) -> FlowBuilderInterface:
        """Return the builder that fetches the code from there."""
        if self.image is not None:
            return image_code(directory=self.image)
        if self.s3 is not None:
            return s3_code(**dict(self.s3))
        if self.git is not None and self.git.repository is not None:
            given: dict[str, Any] = self.git.model_dump(exclude_none=True)
            return git_code(**given)
        return project_code(place="local" if self.local else "git")


class project_code(Builder):  # noqa: N801 - used like a function
    """Runs the project as it is deployed: from its folder, or from the repository that a deployer has fetched it from.

    Attributes:
        place: ``local`` or ``git``.
    """

    step: ClassVar[str] = "run the project's code"

    place: Literal["local", "git"]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Make the run start there.

        Raises:
            ConfigurationError: The place does not exist.
        """
        fetched = deployment.context.origin
        if self.place == "git" and fetched is None:
            raise ConfigurationError(
                "no deployer has fetched the project from Git, so that the repository is not known",
                hint="Write it: code: {git: {repository: https://…}}.",
            ).is_about("code", value="git")
        if self.place == "local" and fetched is not None:
            raise ConfigurationError(
                f"the project was fetched from {fetched.repository} for this deploy alone, and is in no folder of a worker",
                hint="Leave `code` out: runs then clone the same commit. Or write `code: image`.",
            ).is_about("code", value="local")
        deployment.pull_steps = folder_steps(deployment) if self.place == "local" else source_steps(deployment)
        return deployment
