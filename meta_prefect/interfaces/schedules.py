"""A schedule as stored on a deployment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict

from meta_prefect.texts import check_plain

__all__ = ["Schedule"]


class Schedule(BaseModel):
    """One schedule of a deployment, in Prefect's stored form. Exactly one of rrule, cron and interval is set.

    Attributes:
        slug: The schedule's name within its deployment; stable across deploys, so that the schedule keeps its id.
        rrule: iCalendar recurrence lines (RFC 5545), separated by newlines. Times are wall-clock times in ``timezone``.
        cron: A cron expression of five fields.
        interval: The time between two runs.
        anchor_date: The instant from which ``interval`` counts, with a UTC offset.
        timezone: An IANA time zone name, for example ``US/Pacific``.
        day_or: How ``cron`` combines day-of-month and day-of-week; see Prefect's field of that name.
        active: Whether it creates runs; None leaves that to the operator (a new schedule is active).
        parameters: Flow parameters of the runs that this schedule creates.
        slug_is_given: Whether the user chose the slug. If not, an equivalent live schedule keeps its slug.
        in_words: A short description from which the slug of a new schedule is made if the user chose none; None if the user
            did, or if a few words are not enough.
        note: A remark for the report ("holidays until 2027-12-31 are left out"); not stored.
        alike: Other texts of ``rrule`` that yield the same runs from now on, such as those stored by an earlier deploy: a
            live schedule with one of them is up to date. Not stored.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    slug: Annotated[str, AfterValidator(check_plain)]
    rrule: str | None = None
    cron: str | None = None
    interval: timedelta | None = None
    anchor_date: datetime | None = None
    timezone: str = "UTC"
    day_or: bool = True
    active: bool | None = None
    parameters: dict[str, Any] = {}
    slug_is_given: bool = True
    in_words: str | None = None
    note: str | None = None
    alike: tuple[str, ...] = ()
