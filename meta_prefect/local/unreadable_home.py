"""A PREFECT_HOME that may not be entered, such as another user's: Prefect ends in a traceback as soon as it is imported."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP})
"""What Prefect itself takes for "there is no such file"."""

_FILES: Final = {
    "profiles.toml": ("PREFECT_PROFILES_PATH",),
    "logging.yml": ("PREFECT_LOGGING_CONFIG_PATH", "PREFECT_LOGGING_SETTINGS_PATH"),
}
"""The files that Prefect looks for there when it is imported, and the settings that name others instead."""


def do_without(environ: MutableMapping[str, str]) -> str | None:
    """Let Prefect look for none of its files in a home that this user may not enter: an API may be configured elsewhere.

    Args:
        environ: The environment of this process, before Prefect is imported; changed.

    Returns:
        What the user should know; None where the home can be read, or is yet to be made.
    """
    # Prefect warns of a home that it cannot make, at every import; what needs one says so itself.
    warnings.filterwarnings("ignore", message="Failed to create the Prefect home directory")
    try:
        home = Path(environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    except RuntimeError:  # nobody knows where the user's home is
        return None
    if (reason := _why_unreadable(home)) is None:
        return None
    for name, settings in _FILES.items():
        if not any(environ.get(setting) for setting in settings):
            environ[settings[0]] = f"{os.devnull}/{name}"  # there is certainly no such file
    return f"PREFECT_HOME cannot be read, so no Prefect profile is used: {home}: {reason}"


def _why_unreadable(home: Path) -> str | None:
    for name in _FILES:
        try:
            os.stat(home / name)  # noqa: PTH116 - Path.exists() hides some errors and raises others
        except OSError as error:
            if error.errno not in _NOT_THERE:
                return (error.strerror or str(error)).lower()
    return None
