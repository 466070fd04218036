"""Previews: temporary environments. Each has a Prefect Variable, created before anything else of it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict

from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.times import Moment, about

PREVIEW_TAG: Final = "meta-prefect-preview"
"""The tag of these variables."""

_MAX_NAME_LENGTH: Final = 200


class Preview(BaseModel):
    """The record of a preview.

    Attributes:
        project: The project.
        environment: The environment.
        since: When it was first deployed.
        expires: When it is destroyed.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    project: str
    environment: str
    since: Moment
    expires: Moment

    @property
    def variable(self) -> str:
        """The name of the variable that stores it: readable and unique."""
        whole = f"{self.project}/{self.environment}"
        digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
        return f"{artifact_key(f'meta-prefect-preview-{whole}')[:_MAX_NAME_LENGTH].strip('-')}-{digest}"

    def has_expired(self, now: datetime) -> bool:
        """Return whether it has expired."""
        return self.expires <= now


def expiry_in_words(expires: datetime, now: datetime) -> str:
    """``expires in 2d``, or ``expired 3h ago``."""
    if expires <= now:
        return f"expired {about(now - expires)} ago"
    return f"expires in {about(expires - now)}"
