"""Keeps the contents of PREFECT_HOME private to its owner: the database holds the encryption key of all Secret blocks."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

_OURS = "meta-prefect"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private(home: Path) -> None:
    """Remove group and other permissions from the database, from our own files, and from the home if it holds the database.

    Files created later are protected by the folder. Files of another user are left alone, and so is a home that serves as a
    general-purpose folder (the user's home directory, a temporary directory).

    Args:
        home: PREFECT_HOME.
    """
    ours = home / _OURS
    databases = list(home.glob("prefect.db*"))
    if databases and not _is_for_everything(home):
        _close([home])
    _close(databases)
    _close([ours, *_inside(ours)])
    for name in ("server", "workers", "profile"):
        _close(path for path in _inside(ours / name) if path.is_file())


def _close(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        if status.st_mode & _OTHERS and status.st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(status.st_mode) & ~_OTHERS)


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _is_for_everything(home: Path) -> bool:
    shared = home.is_dir() and home.stat().st_mode & stat.S_ISVTX
    own = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where a container's user has none
    return bool(shared) or own.resolve().is_relative_to(home.resolve())
