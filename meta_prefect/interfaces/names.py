"""Names that Prefect accepts."""

from __future__ import annotations

import re
from typing import Final

from meta_prefect.texts import check_plain

_REFUSED: Final = "/%&><#?"
"""Characters that Prefect refuses, or does not find again, in the names of flows, deployments, pools and queues."""


def check_name(name: str) -> str:
    """Check a name of a flow, deployment, pool, queue or the like.

    Raises:
        ValueError: Prefect would refuse it or not find it again, or it holds control characters.
    """
    if not name.strip() or name in {".", ".."}:
        raise ValueError(f"{name!r} is no name that Prefect finds again")
    if refused := sorted(set(name) & set(_REFUSED)):
        raise ValueError(f"{name!r} holds {' '.join(refused)}, which does not work in Prefect names")
    return check_plain(name)


def artifact_key(text: str) -> str:
    """Make a key of lower case letters, digits and dashes, as Prefect wants them of artifacts and variables."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
