"""Files that a project names: only those that lie in it, only regular ones, and only as much as such a file may hold."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

LARGEST: Final = 10 * 1024 * 1024
"""How many bytes a file may hold that is read as a whole: a project file, a module, a calendar."""


def place_in(root: Path, path: str | Path) -> Path | None:
    """Find a place in a folder, wherever links lead.

    Args:
        root: The folder.
        path: The path relative to it, or an absolute one below it.

    Returns:
        The path below ``root``; symbolic links in it are kept. None where it, or what a link in it leads to, lies outside.
    """
    inside = Path(os.path.realpath(root))
    try:
        place = Path(os.path.normpath(root / path))
        resolved = Path(os.path.realpath(place))
    except ValueError:  # a zero byte
        return None
    if not resolved.is_relative_to(inside):
        return None
    return place if place.is_relative_to(root) else resolved


def is_regular(file: Path) -> bool:
    """Whether there is a regular file; a name that no file can have is none."""
    return os.path.isfile(file)  # noqa: PTH113 - a path raises where its name is too long


def read_regular(file: Path, most: int = LARGEST) -> bytes:
    """Read a file, and nothing that has no end or would have to be waited for.

    Args:
        file: The file.
        most: How many bytes it may hold.

    Raises:
        OSError: It cannot be read, is a device, pipe or folder, or is too large.
    """
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a zero byte
        raise OSError(errno.EINVAL, str(error), str(file)) from None
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "it is not a regular file", str(file))
    with os.fdopen(opened, "rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(file))
    return content
