"""The Docker SDK as Prefect loads it: once, when it is first used, under a name of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

_IMPORTING: Final = threading.Lock()


def dockerutils() -> Any:
    """Prefect's module, with the errors that building and pushing raise; imported when it is needed."""
    from prefect.utilities import dockerutils

    return dockerutils


@contextmanager
def docker_client() -> Generator[Any]:
    """Prefect's client of the engine. Prefect imports the SDK when it is first used, which two threads must not do at once."""
    with _IMPORTING:
        _ = dockerutils().docker.DockerClient
    with dockerutils().docker_client() as client:
        yield client


def archive(folder: Path, exclude: list[str], added: tuple[str, str]) -> Any:
    """The archive that the SDK sends to an engine.

    Args:
        folder: The files.
        exclude: Patterns of those to leave out.
        added: The name and the text of a Dockerfile that is no file.
    """
    return dockerutils().docker.utils.tar(str(folder), exclude=exclude, dockerfile=added)


def is_of_docker(error: BaseException, name: str) -> bool:
    """Whether an exception is one of the Docker SDK's, of a class of this name or derived from it.

    Prefect puts the SDK into ``sys.modules`` unloaded, so that it may be loaded a second time: its exceptions are then of another
    class of the same name than those that can be imported.
    """
    return any((kind.__module__, kind.__name__) == ("docker.errors", name) for kind in type(error).__mro__)


def unless(name: str, call: Callable[[], T]) -> T | None:
    """What a call to the Docker SDK gives; None where it raises an exception of its own of this name."""
    try:
        return call()
    except Exception as error:
        if not is_of_docker(error, name):
            raise
        return None
