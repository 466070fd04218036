"""Rules for names that Prefect accepts."""

from __future__ import annotations

import re
from typing import Final

from meta_prefect.texts import check_plain

_REFUSED: Final = "/%&><#?"
"""Characters that Prefect rejects, or cannot find again, in the names of flows, deployments, pools and queues."""


def check_name(name: str) -> str:
    """Validate the name of a flow, deployment, pool, queue or the like.

    Raises:
        ValueError: Prefect would reject it or not find it again, or it contains control characters.
    """
    if not name.strip() or name in {".", ".."}:
        raise ValueError(f"{name!r} is no name that Prefect finds again")
    if refused := sorted(set(name) & set(_REFUSED)):
        raise ValueError(f"{name!r} holds {' '.join(refused)}, which does not work in Prefect names")
    return check_plain(name)


def artifact_key(text: str) -> str:
    """Turn a text into a key of lowercase letters, digits and dashes, as Prefect requires for artifacts and variables."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
