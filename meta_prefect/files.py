"""Safe access to files named by a project: inside its folder, regular, and of limited size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

LARGEST: Final = 10 * 1024 * 1024
"""Maximum size in bytes of a file that is read as a whole: a project file, a module, a calendar."""


def place_in(root: Path, path: str | Path) -> Path | None:
    """Resolve a path inside a folder, taking symbolic links into account.

    Args:
        root: The folder.
        path: The path relative to it, or an absolute one below it.

    Returns:
        The path below ``root``, with its symbolic links kept; None if it or the target of a link is outside.
    """
    inside = Path(os.path.realpath(root))
    try:
        place = Path(os.path.normpath(root / path))
        resolved = Path(os.path.realpath(place))
    except ValueError:  # a null byte
        return None
    if not resolved.is_relative_to(inside):
        return None
    return place if place.is_relative_to(root) else resolved


def is_regular(file: Path) -> bool:
    """Return whether a path is a regular file; False for invalid names."""
    return os.path.isfile(file)  # noqa: PTH113 - a path raises where its name is too long


def read_regular(file: Path, most: int = LARGEST) -> bytes:
    """Read a regular file; refuse anything endless or blocking.

    Args:
        file: The file.
        most: The maximum size in bytes.

    Raises:
        OSError: It cannot be read, is a device, pipe or folder, or is too large.
    """
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a null byte
        raise OSError(errno.EINVAL, str(error), str(file)) from None
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "it is not a regular file", str(file))
    with os.fdopen(opened, "rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(file))
    return content
