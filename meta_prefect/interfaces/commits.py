"""Formatting of commit hashes for display."""

from __future__ import annotations

import re
from typing import Final

SHORT: Final = 7
"""How many characters of a commit hash to show, the same as Git."""

_COMMIT: Final = re.compile(r"(?P<hash>[0-9a-f]{40})(?P<state>\+\w+)?")


def short_commit(text: str) -> str:
    """Shorten a full commit hash to seven characters, keeping a suffix after ``+``; return any other text unchanged.

    Works for versions too, since some of them are commits: ``7fd9fa7``, ``7fd9fa7+dirty``, ``3``.
    """
    found = _COMMIT.fullmatch(text)
    return f"{found['hash'][:SHORT]}{found['state'] or ''}" if found else text


def is_commit(value: object) -> bool:
    """Return whether a value is a full commit hash, possibly marked as dirty."""
    return isinstance(value, str) and _COMMIT.fullmatch(value) is not None
