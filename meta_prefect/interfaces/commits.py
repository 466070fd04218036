"""How a commit is written where people read it."""

from __future__ import annotations

import re
from typing import Final

SHORT: Final = 7
"""How many characters of a commit hash are shown, as Git itself does."""

_COMMIT: Final = re.compile(r"(?P<hash>[0-9a-f]{40})(?P<state>\+\w+)?")


def short_commit(text: str) -> str:
    """The first seven characters of a whole commit hash, with what follows a ``+``; any other text as it is.

    It serves versions as well, as some of them are commits: ``7fd9fa7``, ``7fd9fa7+dirty``, ``3``.
    """
    found = _COMMIT.fullmatch(text)
    return f"{found['hash'][:SHORT]}{found['state'] or ''}" if found else text


def is_commit(value: object) -> bool:
    """Whether a value is a whole commit hash, possibly marked as changed since."""
    return isinstance(value, str) and _COMMIT.fullmatch(value) is not None
