"""A schedule as it will be stored on a deployment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict

from meta_prefect.texts import check_plain

__all__ = ["Schedule"]


class Schedule(BaseModel):
    """One schedule of a deployment, in the form that Prefect stores. Exactly one of rrule, cron and interval is set.

    Attributes:
        slug: The schedule's name within its deployment; stable across deploys, so that the schedule keeps its id.
        rrule: iCalendar recurrence lines (RFC 5545), separated by newlines. Digits are wall-clock time in ``timezone``.
        cron: A cron expression of five fields.
        interval: The time between two runs.
        anchor_date: The instant from which ``interval`` counts, with a UTC offset.
        timezone: An IANA time zone name, for example ``US/Pacific``.
        day_or: How ``cron`` joins day-of-month and day-of-week, as Prefect's field of that name does.
        active: Whether it creates runs; None leaves that to the operator (a new schedule is then active).
        parameters: Flow parameters of the runs that this schedule creates.
        slug_is_given: Whether somebody chose the slug. Otherwise a live schedule that says the same keeps the one that it has.
        in_words: What it says, of which the slug of a new one is made where nobody chose it; None for a schedule whose slug was
            chosen, or that takes more than a few words.
        note: What the maker of this schedule has to say about it, for the report ("holidays until 2027-12-31 are left out");
            it is not stored.
        alike: Other texts of ``rrule`` that name the same runs from now on, such as an earlier deploy has stored: a live
            schedule of one of them is as wanted. They are not stored.
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
