"""Names that Prefect accepts."""

from __future__ import annotations

import re


def artifact_key(text: str) -> str:
    """Make a key of lower case letters, digits and dashes, as Prefect wants them of artifacts and variables."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
