"""Holds: requests to leave a deployment alone, with a reason and an optional end.

A hold is a separate Prefect Variable rather than a change of the deployment, because any change of a deployment deletes the
runs that its schedules have created. All of them have the same tag, so that they can be read at once.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.times import Moment, read_length
from meta_prefect.plan.changes import Change, Held, Unchanged, kept_of
from meta_prefect.plan.soundness import why_unsound

HOLD_TAG: Final = "meta-prefect-hold"
"""The tag of the variables that store holds."""

MAX_REASON_LENGTH: Final = 500
"""Maximum length of a reason; a variable holds less than 5,000 characters."""

_MAX_NAME_LENGTH: Final = 200

Scope = Literal["all", "automatic"]
"""``all``: nothing writes the deployment. ``automatic``: scheduled and healing deploys do not; explicit ones end it."""


def _in_one_line(text: Any) -> Any:
    """Clean text for display, so that nothing in it affects a terminal."""
    return (
        " ".join("".join(one if one.isprintable() else " " for one in text).split()) if isinstance(text, str) else text
    )


OneLine = Annotated[str, BeforeValidator(_in_one_line)]


class Hold(BaseModel):
    """A hold on a deployment.

    Attributes:
        deployment: ``flow/deployment``.
        by: Who requested it.
        at: When.
        until: When it expires; None for never.
        because: The reason.
        scope: Which deploys it blocks.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    deployment: str = Field(pattern=r"^[^/]+/[^/]+$", max_length=1000)
    by: OneLine = Field(min_length=1, max_length=300)
    at: Moment
    until: Moment | None = None
    because: OneLine = Field(min_length=1, max_length=MAX_REASON_LENGTH)
    scope: Scope = "all"

    @property
    def variable(self) -> str:
        """The name of the variable that stores it."""
        return hold_name(self.deployment)

    def counts(self, now: datetime) -> bool:
        """Return whether it has not expired."""
        return self.until is None or now < self.until

    def stops(self, now: datetime, *, automatic: bool) -> bool:
        """Return whether it blocks a deploy at some time.

        Args:
            now: The time.
            automatic: Whether the deploy was not started by a person: it was scheduled, or heals.
        """
        return self.counts(now) and (automatic or self.scope == "all")

    def __str__(self) -> str:
        until = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until is not None else ""
        whom = " from scheduled and healing deploys" if self.scope == "automatic" else ""
        return f"held{whom} by {self.by}{until}: {self.because}"


@dataclass(frozen=True, slots=True)
class StoredHold:
    """A hold, and the id of the variable that stores it."""

    variable_id: str
    hold: Hold


Holds = Mapping[str, StoredHold]
"""All holds, by ``flow/deployment``."""


def counting(holds: Holds, now: datetime) -> dict[str, Hold]:
    """Return the holds that have not expired, by ``flow/deployment``."""
    return {name: stored.hold for name, stored in holds.items() if stored.hold.counts(now)}


def hold_name(deployment: str) -> str:
    """Return the name of the variable for a deployment's hold: readable and unique."""
    digest = hashlib.sha256(deployment.encode()).hexdigest()[:8]
    return f"{artifact_key(f'meta-prefect-hold-{deployment}')[:_MAX_NAME_LENGTH].strip('-')}-{digest}"


def hold_of(variable: Record) -> Hold | str:
    """Parse the hold stored in a variable; on failure return the reason."""
    try:
        hold = Hold.model_validate(variable.get("value"))
    except ValidationError as error:
        return why_unsound(error)
    return hold if hold.variable == variable.get("name") else f"it is about {hold.deployment!r}"


def release_command(deployment: str) -> str:
    """Return the command that releases a deployment."""
    return f"meta-prefect release {shlex.quote(deployment)}"


def held(change: Change, hold: Hold, live: Record | None) -> Held:
    """Replace a change to a deployment on hold by no change.

    Args:
        change: What would be done otherwise.
        hold: The hold.
        live: The deployment as read; None if it does not exist.
    """
    # Remarks about a change do not apply if it is not made.
    remarks = change.remarks if isinstance(change, Unchanged) else ()
    return Held(change.subject, str(hold), live or {}, remarks, kept_of(change), otherwise=change)


def read_until(text: str, now: datetime) -> datetime:
    """Parse until when a deployment is to be held.

    Args:
        text: A date such as ``2026-12-01`` (its start in UTC), a time such as ``2026-12-01T18:00+01:00``, or a duration:
            ``30m``, ``12h``, ``3d``, ``2w``.
        now: The time from which a duration counts.

    Raises:
        ValueError: It has another form, or is in the past.
    """
    wanted = text.strip()
    if (length := read_length(wanted)) is not None:
        return now + length
    try:
        moment = datetime.fromisoformat(wanted)
        moment = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; write '2026-12-01', '2026-12-01T18:00+01:00', '12h' or '3d'") from None
    if moment <= now:
        raise ValueError(f"{text!r} is past")
    return moment
