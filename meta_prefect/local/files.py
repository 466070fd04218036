"""Writing files: file system errors become errors that name the path, the reason and a way out."""

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
"""Bytes. With less free space, neither a database nor a log can be written."""


@contextmanager
def writing(path: Path, *, instead: str = ELSEWHERE) -> Generator[None]:
    """Turn an ``OSError`` raised while writing a file or folder into a ``ProcessError`` that explains it.

    Args:
        path: The path being written.
        instead: What else the user can do, as the end of a sentence.

    Raises:
        ProcessError: The disk is full or read-only, a permission is missing, or something else is at that path.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error, instead) from None


@contextmanager
def scratch_folder() -> Generator[Path]:
    """Create a temporary folder and remove it afterwards.

    Raises:
        ProcessError: No writable temporary directory was found.
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
    except FileNotFoundError as error:  # Python tried several directories and reports only that none is usable
        full = fullness(Path(tried))
        raise ProcessError(
            f"there is no folder for temporary files that can be written: {full or error.strerror}",
            where=tried,
            hint="Free some space there, or set TMPDIR to a folder elsewhere.",
        ) from None
    except OSError as error:
        raise cannot_write(Path(tried), error, "set TMPDIR to a folder elsewhere") from None


def fullness(path: Path) -> str | None:
    """Describe the disk that holds a path as full; None if it has space left or that cannot be determined."""
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
    """Build the error for something that the file system refused to write."""
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
