"""Builds and pushes images with this host's Docker engine, through Prefect, and translates its errors."""

from __future__ import annotations

import io
import posixpath
import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from meta_prefect.errors import ConfigurationError, MetaPrefectError, ProcessError
from meta_prefect.prefect_internals import docker_sdk

T = TypeVar("T")

_NO_ENGINE_HINT: Final = "Start Docker, or deploy with --no-build where the image is built elsewhere."
_LINES_OF_AN_ERROR: Final = 12
_MADE: Final = ".dockerfile.meta-prefect"
_DIGEST: Final = re.compile(r"digest: (sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """The inputs of an image build.

    Attributes:
        context: The folder whose files can be copied into the image.
        dockerfile: The Dockerfile, relative to the context.
        arguments: Values of the Dockerfile's ``ARG``.
        target: The stage to build; None for the last one.
        platform: The target platform, such as ``linux/amd64``; None for the engine's own.
        text: The generated Dockerfile; None if it is a file.
    """

    context: Path
    dockerfile: str
    arguments: Mapping[str, str]
    target: str | None
    platform: str | None
    text: str | None = None


class ImageEngine(Protocol):
    """The operations that a deploy needs from an image build engine."""

    async def pushed(self, reference: str) -> str | None:
        """Return the digest of an image in its registry; None if it is not there."""
        ...

    async def built(self, reference: str) -> str | None:
        """Return the id of an image in the engine's local store; None if it is not there."""
        ...

    async def holding(self, reference: str, paths: Iterable[str]) -> frozenset[str] | None:
        """Return which of the files exist in a local image; None if there is no such image."""
        ...

    async def build(self, reference: str, recipe: BuildSpec) -> None:
        """Build an image."""
        ...

    async def push(self, reference: str) -> str | None:
        """Push an image; return its digest in the registry, if the engine reports it."""
        ...


@contextmanager
def _sent_of(recipe: BuildSpec) -> Generator[dict[str, Any]]:
    """Yield the build arguments that name the files sent to the engine and the Dockerfile among them.

    A generated Dockerfile is added to the archive with the other files. If left to the SDK, its text would be sent under a
    second name, the one that Podman uses.
    """
    if recipe.text is None:
        yield {"context": recipe.context, "dockerfile": recipe.dockerfile}
        return
    ignored = recipe.context / ".dockerignore"
    lines = ignored.read_text(encoding="utf-8").splitlines() if ignored.is_file() else []
    exclude = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    with docker_sdk.archive(recipe.context, exclude, (_MADE, recipe.text)) as archive:
        yield {"context": recipe.context, "dockerfile": _MADE, "fileobj": archive, "custom_context": True}


class DockerEngine:
    """The Docker engine given by the environment (``DOCKER_HOST``), or the local one.

    Args:
        where: The location named in error messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where

    async def pushed(self, reference: str) -> str | None:
        """Return the digest of an image in its registry; None if it is not there.

        Raises:
            ProcessError: The engine does not respond.
        """

        def ask() -> str | None:
            with docker_sdk.docker_client() as client:
                # if these credentials may not read it, it is built and pushed as well
                data = docker_sdk.unless("APIError", lambda: client.images.get_registry_data(reference))
                return None if data is None else data.id

        return await self._run(ask, "asked for")

    async def built(self, reference: str) -> str | None:
        """Return the id of an image in the engine's local store; None if it is not there.

        Raises:
            ProcessError: The engine does not respond.
        """

        def ask() -> str | None:
            with docker_sdk.docker_client() as client:
                image = docker_sdk.unless("ImageNotFound", lambda: client.images.get(reference))
                return None if image is None else image.id

        return await self._run(ask, "asked for")

    async def holding(self, reference: str, paths: Iterable[str]) -> frozenset[str] | None:
        """Return which of the files exist in a local image, without running it; None if there is no such image.

        Args:
            reference: The image.
            paths: The files; relative paths are resolved from the image's working directory.

        Raises:
            ProcessError: The engine does not respond.
        """

        def look() -> frozenset[str] | None:
            with docker_sdk.docker_client() as client:
                image = docker_sdk.unless("ImageNotFound", lambda: client.images.get(reference))
                if image is None:
                    return None
                folder = image.attrs["Config"].get("WorkingDir") or "/"
                # Never started, only inspected.
                container = client.containers.create(reference, command=["-"])
                try:
                    return frozenset(path for path in paths if _is_in(container, posixpath.join(folder, path)))
                finally:
                    container.remove()

        return await self._run(look, "looked into")

    async def build(self, reference: str, recipe: BuildSpec) -> None:
        """Build an image.

        Raises:
            ProcessError: The engine does not respond.
            ConfigurationError: The build failed; the message ends with the engine's output.
        """
        output = _LastLines()

        def make() -> None:
            with _sent_of(recipe) as sent:
                self._image(
                    reference,
                    stream_progress_to=output,
                    **sent,
                    buildargs=dict(recipe.arguments),
                    target=recipe.target or "",
                    platform=recipe.platform,
                    rm=True,
                ).build()

        await self._run(make, "built", output)

    async def push(self, reference: str) -> str | None:
        """Push an image; return its digest in the registry, if the engine reports it.

        Raises:
            ProcessError: The engine does not respond.
            ConfigurationError: The registry rejects the push.
        """
        output = _LastLines()

        def send() -> str | None:
            self._image(reference, stream_progress_to=output).push()
            # The last digest in the output; what the engine stores for the image may predate compression.
            found = [match[1] for line in output.lines if (match := _DIGEST.search(line))]
            return found[-1] if found else None

        return await self._run(send, "pushed")

    def _image(self, reference: str, **options: Any) -> Any:
        from prefect.docker import DockerImage

        repository, _, tag = reference.rpartition(":")
        image = DockerImage(name=repository, tag=tag, **options)
        image.name = repository  # Prefect prefixes a name without a namespace with one from its settings
        return image

    async def _run(self, call: Callable[[], T], what: str, output: _LastLines | None = None) -> T:
        """Run a blocking call in a thread and translate its exceptions."""
        import anyio.to_thread

        dockerutils = docker_sdk.dockerutils()
        try:
            return await anyio.to_thread.run_sync(call)
        except dockerutils.BuildError as error:
            lines = [*(output.lines if output else ()), str(error).strip()]
            raise self._refused(what, "\n    ".join(dict.fromkeys(lines)), None) from error
        except dockerutils.PushError as error:
            hint = "`docker login` opens a registry; `docker push` shows more."
            raise self._refused(what, str(error).strip(), hint) from error
        except Exception as error:
            if not isinstance(error, RuntimeError) and not docker_sdk.is_of_docker(error, "DockerException"):
                raise
            # Prefect says "Docker is not running" for any SDK error; the cause has the details.
            cause = error.__cause__ or error
            if "connection" not in str(cause).lower() and not isinstance(error, RuntimeError):
                raise self._refused(what, str(cause), None) from error
            raise ProcessError(
                f"no Docker engine answers, so the image cannot be {what} ({cause})",
                where=self._where,
                hint=_NO_ENGINE_HINT,
            ) from error

    def _refused(self, what: str, why: str, hint: str | None) -> MetaPrefectError:
        return ConfigurationError(f"the image cannot be {what}: {why}", where=self._where, hint=hint)


def _is_in(container: Any, path: str) -> bool:
    found = docker_sdk.unless("NotFound", lambda: container.get_archive(path))
    if found is None:
        return False
    found[0].close()
    return True


class _LastLines(io.TextIOBase):
    """Keeps the last lines of the engine's output."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=_LINES_OF_AN_ERROR)

    def write(self, text: str, /) -> int:
        """Append text."""
        self.lines.extend(line for line in text.splitlines() if line.strip())
        return len(text)
