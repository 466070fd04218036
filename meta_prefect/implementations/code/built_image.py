"""Code baked into an image that the deploy builds and pushes once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from meta_prefect.errors import ConfigurationError, MetaPrefectError
from meta_prefect.files import is_regular, place_in
from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code.automatic_dockerfile import AUTOMATIC, automatic_dockerfile
from meta_prefect.implementations.code.commits import committed
from meta_prefect.implementations.code.files import content_hash
from meta_prefect.implementations.code.image_engine import BuildSpec, DockerEngine, ImageEngine
from meta_prefect.implementations.code.source import code_in_image
from meta_prefect.implementations.infra.images import ImageReference, is_repository
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record
from meta_prefect.interfaces.markdown import code, escaped, table
from meta_prefect.interfaces.names import artifact_key


def _check_path(path: str) -> str:
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise ValueError(f"{path!r} leaves the project: write a path within it")
    return path


def _check_repository(name: str) -> str:
    if not is_repository(name):
        raise ValueError(
            f"{name!r}: write the image without a tag, such as 'registry.example/shop'; a deploy gives the tag"
        )
    return name


PathInProject = Annotated[str, Field(min_length=1), AfterValidator(_check_path)]
"""A path inside the project's folder."""


class ImageBuild(BaseModel):
    """How an image is built.

    Attributes:
        dockerfile: The Dockerfile, relative to the context; ``auto`` makes one as Prefect does: the image of this Prefect,
            ``requirements.txt`` installed, the context copied.
        folder: Where ``auto`` puts the project in the image, such as ``/opt/prefect/shop``; left empty, ``/opt/prefect/project``.
        context: The folder whose files may be copied into the image, relative to the project's.
        tag: The tag: a hash of the project's files and of these settings, or the deployed commit.
        arguments: Values of the Dockerfile's ``ARG``; no secrets, as they stay in the image.
        target: The stage to build; left empty, the last one.
        platform: The platform, such as ``linux/amd64``; left empty, that of the Docker engine.
        push: Whether it is pushed; not where the worker uses the same Docker engine.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    dockerfile: PathInProject = "Dockerfile"
    folder: str | None = Field(default=None, pattern=r"^(/[\w.-]+)+$")
    context: PathInProject = "."
    tag: Literal["content", "commit"] = "content"
    arguments: dict[str, str] = Field(default={})
    target: str | None = Field(default=None, min_length=1)
    platform: str | None = Field(default=None, pattern=r"^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$")
    push: bool = True

    @model_validator(mode="after")
    def _folder_is_of_auto(self) -> Self:
        if self.folder is not None and self.dockerfile != AUTOMATIC:
            raise ValueError(
                f"`folder` is for `dockerfile: {AUTOMATIC}`; the WORKDIR of {self.dockerfile} says where runs start"
            )
        return self

    def text(self, source: Path) -> str | None:
        """Return the generated Dockerfile, or None if the project has one."""
        if self.dockerfile != AUTOMATIC:
            return None
        return automatic_dockerfile(source / self.context, self.folder or "/opt/prefect/project")


class built_image(Builder):  # noqa: N801 - used like a function
    """Builds an image with the project's code, pushes it, and lets runs use it. Both happen once for each distinct image.

    The project has a Dockerfile that copies the code to the folder in which the image starts, or has one made: ``auto``. An
    image whose tag is in the registry already is not built again.

    Attributes:
        image: The image without a tag: ``registry.example/shop``.
        build: How it is built.
    """

    step: ClassVar[str] = "build the image"

    image: Annotated[ImageReference, AfterValidator(_check_repository)]
    build: ImageBuild = Field(default=ImageBuild())

    @property
    def requires(self) -> Iterable[Component]:
        """The image as a component."""
        return (BuiltImage(image=self.image, build=self.build),)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Make runs use the image.

        Raises:
            ConfigurationError: The project has no Dockerfile, or the tag is the commit and the folder has none.
        """
        source = Path(deployment.flow.source)
        folder = source / self.build.context
        dockerfile = place_in(source, folder / self.build.dockerfile)
        if dockerfile is None or place_in(source, folder) is None:
            raise ConfigurationError(
                f"{self.build.context}/{self.build.dockerfile} leads out of the project's folder {source}",
                hint="Images are only built from files of the project; move them there.",
            )
        if self.build.dockerfile != AUTOMATIC and not is_regular(dockerfile):
            raise ConfigurationError(
                f"there is no {self.build.dockerfile} in {folder}",
                hint=f"Write one that copies the project, or have it made: `build: {{dockerfile: {AUTOMATIC}}}`.",
            )
        deployment.job_variables["image"] = reference_of(self.image, self.build, deployment)
        deployment.pull_steps = deployment.pull_steps or code_in_image()
        return deployment


def image_to_build(image: str | None, build: ImageBuild) -> built_image:
    """Return the builder for a recipe's variables ``image`` and ``build``.

    Raises:
        ValueError: The image has no name, or already has a tag.
    """
    if image is None:
        raise ValueError("`build` needs `image`: the image without a tag, such as 'registry.example/shop'")
    return built_image(image=image, build=build)


def reference_of(image: str, build: ImageBuild, deployment: Deployment) -> str:
    """Return the image with its tag.

    Raises:
        ConfigurationError: The tag is the commit, and the folder has none.
    """
    if (pinned := deployment.context.images.get(image)) is not None:
        return pinned
    if build.tag == "commit":
        return f"{image}:{committed(deployment)[:12]}"
    source = deployment.flow.source
    return f"{image}:{_tag_of(content_hash(source, deployment.context.deploy_id), build, source)}"


def _tag_of(content: str, build: ImageBuild, source: str) -> str:
    """Return sixteen hex digits that change with the project's files and the build settings."""
    settings = json.dumps(build.model_dump(exclude={"push", "folder"}), sort_keys=True)
    return hashlib.sha256(f"{content}{settings}{build.text(Path(source)) or ''}".encode()).hexdigest()[:16]


class BuiltImage(Component):
    """An image in its registry that contains a project's code.

    Attributes:
        name: The image with its tag, with ``:`` instead of slashes.
        image: The image without a tag.
        build: How it is built.
        reference: The image with its tag; from the deployment.
        source: The project's folder on this host; from the deployment.
        commit: The commit; from the deployment.
        enabled: False if images are built elsewhere (``--no-build``); from the deploy.
    """

    kind: ClassVar[str] = "image"
    verbs: ClassVar[tuple[str, str]] = ("built", "built")

    image: str
    build: ImageBuild
    reference: str = ""
    source: str = Field(default="", exclude=True)
    commit: str | None = Field(default=None, exclude=True)
    enabled: bool = True

    def __hash__(self) -> int:
        return super().__hash__()

    def __str__(self) -> str:
        return f"{self.kind} {self.reference or self.image}"

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Fill in tag and folder from the deployment."""
        del host
        reference = reference_of(self.image, self.build, deployment)
        return self.model_copy(
            update={
                "name": reference.replace("/", ":"),
                "reference": reference,
                "source": deployment.flow.source,
                "commit": deployment.context.commit,
                "enabled": deployment.context.build_images,
            }
        )

    def engine(self) -> ImageEngine:
        """Return the engine that builds it."""
        return DockerEngine(str(self))

    async def read(self, api: Api) -> Record | None:
        """Check whether the image is where runs look for it, and if not, whether anything prevents building it."""
        del api
        if not self.enabled:
            return {"digest": None, "elsewhere": True}
        try:
            engine = self.engine()
            digest = await (engine.pushed(self.reference) if self.build.push else engine.built(self.reference))
        except MetaPrefectError as refusal:
            return {"digest": None, "refusal": refusal.message, "hint": refusal.hint}
        return None if digest is None else {"digest": digest}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Require the image in its registry.

        Raises:
            ConfigurationError: It does not exist, and no engine can build it.
        """
        if live is not None and (refusal := live.get("refusal")):
            raise ConfigurationError(refusal, where=str(self), hint=live["hint"])
        return () if live is not None else (FieldChange("reference", ABSENT, self.reference),)

    def remarks(self, live: Record | None) -> Iterable[str]:
        """Tell where the image comes from if it is not built here."""
        del live
        if not self.enabled:
            yield f"{self} is not built (--no-build): it has to be in its registry"

    async def write(self, api: Api, live: Record | None) -> None:
        """Build and push it, and record its digest as an artifact.

        Raises:
            ConfigurationError: It cannot be built or pushed, or the project has changed since it was planned.
        """
        del live
        if self.build.tag == "content" and not self._is_unchanged():
            raise ConfigurationError(
                f"the files of {self.source} changed while they were deployed", where=str(self), hint="Deploy again."
            )
        engine = self.engine()
        build, source = self.build, Path(self.source)
        recipe = BuildSpec(
            source / build.context, build.dockerfile, build.arguments, build.target, build.platform, build.text(source)
        )
        await engine.build(self.reference, recipe)
        digest = await engine.push(self.reference) if build.push else None
        await api.post("/artifacts/", self._record(digest))

    def _is_unchanged(self) -> bool:
        now = _tag_of(content_hash.__wrapped__(self.source, ""), self.build, self.source)
        return self.reference.endswith(f":{now}")

    def _record(self, digest: str | None) -> Record:
        """Build the artifact that permanently records the image."""
        from prefect.runtime import flow_run

        facts = {"image": self.reference, "digest": digest, "commit": self.commit}
        lines = table(("", ""), ((name, code(value)) for name, value in facts.items() if value))
        return {
            "type": "markdown",
            "key": artifact_key(f"image-{self.image}"),
            "description": escaped(f"{self.reference} {digest or ''}".strip()),
            "data": "\n".join(lines),
            "flow_run_id": flow_run.get_id(),
        }
