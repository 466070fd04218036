"""Copes with a PREFECT_HOME that this user cannot enter, where merely importing Prefect would end in a traceback."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP})
"""The errors that Prefect treats as "no such file"."""

_FILES: Final = {
    "profiles.toml": ("PREFECT_PROFILES_PATH",),
    "logging.yml": ("PREFECT_LOGGING_CONFIG_PATH", "PREFECT_LOGGING_SETTINGS_PATH"),
}
"""The files that Prefect looks for in its home when imported, and the settings that override their paths."""


def ignore_home_files(environ: MutableMapping[str, str]) -> str | None:
    """Keep Prefect from looking for files in a home that this user cannot enter; an API may be configured elsewhere.

    Args:
        environ: The environment of this process, before Prefect is imported; modified in place.

    Returns:
        A message for the user; None if the home is readable or does not exist yet.
    """
    # Prefect warns about a home it cannot create on every import; the commands that need one report it themselves.
    warnings.filterwarnings("ignore", message="Failed to create the Prefect home directory")
    try:
        home = Path(environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    except RuntimeError:  # the user's home directory is unknown
        return None
    if (reason := _why_unreadable(home)) is None:
        return None
    for name, settings in _FILES.items():
        if not any(environ.get(setting) for setting in settings):
            environ[settings[0]] = f"{os.devnull}/{name}"  # guaranteed not to exist
    return f"PREFECT_HOME cannot be read, so no Prefect profile is used: {home}: {reason}"


def _why_unreadable(home: Path) -> str | None:
    for name in _FILES:
        try:
            os.stat(home / name)  # noqa: PTH116 - Path.exists() hides some errors and raises others
        except OSError as error:
            if error.errno not in _NOT_THERE:
                return (error.strerror or str(error)).lower()
    return None
