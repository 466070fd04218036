"""The Docker SDK as Prefect loads it: lazily, on first use, under its own module name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

_IMPORTING: Final = threading.Lock()


def dockerutils() -> Any:
    """Return Prefect's module with the errors raised by builds and pushes; imported on demand."""
    from prefect.utilities import dockerutils

    return dockerutils


@contextmanager
def docker_client() -> Generator[Any]:
    """Yield Prefect's client for the engine. Prefect imports the SDK on first use, which is not thread-safe."""
    with _IMPORTING:
        _ = dockerutils().docker.DockerClient
    with dockerutils().docker_client() as client:
        yield client


def archive(folder: Path, exclude: list[str], added: tuple[str, str]) -> Any:
    """Create the archive that the SDK sends to an engine.

    Args:
        folder: The files.
        exclude: Patterns of files to exclude.
        added: The name and the text of a generated Dockerfile.
    """
    return dockerutils().docker.utils.tar(str(folder), exclude=exclude, dockerfile=added)


def is_of_docker(error: BaseException, name: str) -> bool:
    """Return whether an exception is of a Docker SDK class with this name, or of a subclass.

    Prefect puts the SDK into ``sys.modules`` lazily, so it may be loaded a second time: its exceptions are then of different
    classes, with the same names, than those that can be imported.
    """
    return any((kind.__module__, kind.__name__) == ("docker.errors", name) for kind in type(error).__mro__)


def unless(name: str, call: Callable[[], T]) -> T | None:
    """Call the Docker SDK; return None if it raises its exception of this name."""
    try:
        return call()
    except Exception as error:
        if not is_of_docker(error, name):
            raise
        return None
