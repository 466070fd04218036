"""Writing files: what the file system refuses is an error that names the path, the reason and the way out."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from meta_prefect.errors import ProcessError

ELSEWHERE: Final = "set PREFECT_HOME to a folder elsewhere"

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_LOW: Final = 1 << 20
"""With less than this many bytes left, a database or a log cannot be written either."""


@contextmanager
def writing(path: Path, *, instead: str = ELSEWHERE) -> Generator[None]:
    """Say in words what keeps a file or folder from being written.

    Args:
        path: What is written.
        instead: What else the user can do, as the end of a sentence.

    Raises:
        ProcessError: The file system refused it: it is full or read-only, a permission is missing, something is in the way.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error, instead) from None


@contextmanager
def scratch_folder() -> Generator[Path]:
    """Make a temporary folder, and remove it afterwards.

    Raises:
        ProcessError: There is no folder for temporary files that can be written.
    """
    with _naming_temporary_files():
        folder = tempfile.TemporaryDirectory(prefix="meta-prefect-", ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name)


@contextmanager
def _naming_temporary_files() -> Generator[None]:
    tried = os.environ.get("TMPDIR") or tempfile.tempdir or "/tmp"  # noqa: S108 - named, not used
    try:
        yield
    except FileNotFoundError as error:  # Python has tried several, and says only that none of them can be used
        full = fullness(Path(tried))
        raise ProcessError(
            f"there is no folder for temporary files that can be written: {full or error.strerror}",
            where=tried,
            hint="Free some space there, or set TMPDIR to a folder elsewhere.",
        ) from None
    except OSError as error:
        raise cannot_write(Path(tried), error, "set TMPDIR to a folder elsewhere") from None


def fullness(path: Path) -> str | None:
    """Say that the disk on which a path lies, or is to lie, is full; None where it is not, or that cannot be known."""
    for place in (path, *path.parents):
        try:
            left = shutil.disk_usage(place).free
            files_left = os.statvfs(place).f_favail
        except OSError:
            continue
        if left < _LOW:
            return f"the disk is full ({left // 1024} KiB left)"
        return "the disk has no room for another file" if files_left == 0 and os.statvfs(place).f_files else None
    return None


def cannot_write(path: Path, error: OSError, instead: str = ELSEWHERE) -> ProcessError:
    """Make the error about something that the file system did not let be written."""
    reason = (error.strerror or str(error)).lower()
    if error.errno in _FULL:
        way_out = "Free some space"
    elif error.errno == errno.EROFS:
        way_out = "Make it writable"
    elif error.errno in {errno.EACCES, errno.EPERM}:
        way_out = f"Let the user with the id {os.geteuid()} write there"
    else:
        way_out = "Make room for it there"
    return ProcessError(f"cannot be written: {reason}", where=str(path), hint=f"{way_out}, or {instead}.")
