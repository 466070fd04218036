"""The models behind ``schedule`` and ``schedules`` in the project file, and their short forms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from meta_prefect.errors import ScheduleError, input_of, message_of, nearest
from meta_prefect.interfaces.short_forms import NUMBER, TEXT, one_or_many, reads
from meta_prefect.schedules.durations import looks_like_a_duration, read_duration

_DAY = {"type": "string", "format": "date"}

Allowance = Literal["under_a_minute", "no_runs", "ignored_parts", "slow"]
"""Problems that are rejected unless explicitly allowed, because Prefect accepts them and live deployments have them."""


class _Spec(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class CalendarSpec(_Spec):
    """Which days are holidays: a country's, a market's, a file's, a class's, or only the days that are listed."""

    country: str | None = Field(
        default=None, title="Country", description="ISO code or English name, for example US, DE or 'New Zealand'."
    )
    subdivision: str | None = Field(
        default=None, title="Subdivision", description="State, province or canton of the country, for example CA or BY."
    )
    market: str | None = Field(
        default=None, title="Market", description="A financial market instead of a country, for example NYSE or ECB."
    )
    categories: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = Field(
        default=(),
        title="Categories",
        description="Kinds of holiday, for example public, bank, half_day. Empty means the usual public ones.",
    )
    observed: bool = Field(
        default=True,
        title="Observed days",
        description="Also the weekday on which a holiday that falls on a weekend is observed.",
    )
    extra_dates: dict[date, str] = Field(
        default={},
        title="Extra dates",
        description="Further days off, as a list of dates, or of date: name.",
    )
    excepted_dates: Annotated[tuple[date, ...], BeforeValidator(one_or_many)] = Field(
        default=(), title="Excepted dates", description="Days that the calendar calls holidays and that are none here."
    )
    except_holidays: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = Field(
        default=(),
        title="Excepted holidays",
        description="Holidays of the country or market that are none here, by name and in every year, for example Columbus Day.",
    )
    ics: str | None = Field(
        default=None,
        title="iCalendar file",
        description="Path of an .ics file: every day on which an event of it lies is a holiday.",
    )
    python: str | None = Field(
        default=None,
        title="Python calendar",
        description="Import path of a Calendar class or instance of your own, for example my_calendars:TradingDays.",
    )

    closes: time | None = Field(
        default=None,
        title="Closes",
        description="Its days are off from this time of the day on only, 13:00: what runs earlier stays.",
    )

    @field_validator("extra_dates", mode="before")
    @classmethod
    @reads(_DAY, {"type": "array", "items": {"anyOf": [_DAY, {"type": "object"}]}})
    def _name_listed_dates(cls, value: object) -> object:
        if value is None or isinstance(value, Mapping):
            return cast("object", value)
        named: dict[object, object] = {}
        for item in cast("Iterable[object]", one_or_many(value)):
            match item:
                case Mapping():
                    named |= cast("Mapping[object, object]", item)
                case str() | date():
                    named[item] = "extra date"
                case _:
                    raise ValueError(f"{item!r} is no date; write for example 2026-11-27, or 2026-11-27: Bridge day")
        return named

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [name for name in ("country", "market", "ics", "python") if getattr(self, name) is not None]
        if len(sources) > 1:
            raise ValueError(f"{' and '.join(sources)} exclude each other; write a list of calendars to join them")
        if not sources and not self.extra_dates:
            raise ValueError("an empty calendar; name a country, market, ics, python or extra_dates")
        if self.subdivision is not None and self.country is None:
            raise ValueError(f"subdivision {self.subdivision!r} needs a country")
        return self


def _names_a_calendar(value: object) -> object:
    """Raise one clear error instead of one per alternative of the union type."""
    if value is True or (isinstance(value, int | float) and value is not False) or value in ({}, ""):
        raise ValueError(f"{value!r} names no calendar; write for example US, NYSE or company.ics, or false for none")
    if isinstance(value, Mapping) and "except_holidays" in value and not {"country", "market"} & value.keys():
        raise ValueError("except_holidays needs a country or a market; elsewhere write excepted_dates")
    return cast("object", value)


HolidaysSpec = Annotated[
    Literal[False] | str | CalendarSpec | tuple[str | CalendarSpec, ...] | None, BeforeValidator(_names_a_calendar)
]
"""A calendar as written: a country, a market or an .ics file, an object, several of these, or False for none.

None means unspecified: the recipe's default applies.
"""


_MONTH_DAY = r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
MonthDay = Annotated[str, Field(pattern=f"^{_MONTH_DAY}$")]
"""A day of every year, such as ``12-20``."""


class FreezeWindow(_Spec):
    """Days on which nothing runs, both ends included: ``2026-12-20 to 2027-01-03``, or of every year: ``12-20 to 01-03``."""

    first_day: date | MonthDay = Field(
        alias="from", title="From", description="The first day without runs; without a year, every year."
    )
    last_day: date | MonthDay = Field(alias="to", title="To", description="The last day without runs.")

    @model_validator(mode="before")
    @classmethod
    @reads(TEXT)
    def _read_short_form(cls, value: object) -> object:
        if isinstance(value, date) and not isinstance(value, datetime):
            return {"from": value, "to": value}
        if not isinstance(value, str):
            return value
        days = re.split(r"\s+to\s+|\s*\.\.\s*|\s+-\s+", value.strip())
        if len(days) > 2 or not all(re.fullmatch(rf"\d{{4}}-\d{{2}}-\d{{2}}|{_MONTH_DAY}", day) for day in days):
            example = "write for example '2026-12-20 to 2027-01-03', or '12-20 to 01-03' for every year"
            raise ValueError(f"{value!r} is no span of days; {example}")
        return {"from": days[0], "to": days[-1]}

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        match self.first_day, self.last_day:
            case date() as first, date() as last if last < first:
                raise ValueError(f"the freeze ends on {last}, before it starts on {first}")
            case str() as first, str() as last:
                _check_every_year(first, last)
            case (str(), date()) | (date(), str()):
                raise ValueError(f"give both {self.first_day} and {self.last_day} a year, or neither")
            case _:
                pass
        return self

    @property
    def has_year(self) -> bool:
        """Whether it is limited to one year."""
        return isinstance(self.first_day, date)

    def spans(self, first: date, last: date) -> Iterator[tuple[date, date]]:
        """Yield the first and last frozen day of each occurrence, clipped to the given range."""
        spans: list[tuple[date, date]] = []
        if isinstance(self.first_day, date) and isinstance(self.last_day, date):
            spans = [(self.first_day, self.last_day)]
        else:
            over_new_year = str(self.last_day) < str(self.first_day)
            for year in range(first.year - 1, last.year + 1):
                begin = date.fromisoformat(f"{year}-{self.first_day}")
                spans.append((begin, date.fromisoformat(f"{year + over_new_year}-{self.last_day}")))
        for begin, end in spans:
            if end >= first and begin <= last:
                yield max(begin, first), min(end, last)


def _check_every_year(*days: str) -> None:
    for day in days:
        try:
            date.fromisoformat(f"2027-{day}")
        except ValueError:
            raise ValueError(f"{day} is no day of every year") from None


@reads(TEXT, NUMBER)
def _read_interval(value: object) -> object:
    return read_duration(value) if isinstance(value, str) else value


def _check_business_day(number: int) -> int:
    if not 1 <= abs(number) <= _MAX_BUSINESS_DAYS:
        raise ValueError(f"no month has a business day {number}; 1 is its first, -1 its last")
    return number


_MAX_BUSINESS_DAYS = 31
BusinessDay = Annotated[int, Field(strict=True), AfterValidator(_check_business_day)]
"""A business day of the month; negative numbers count from the end."""


class ScheduleSpec(_Spec):
    """One schedule: exactly one of rrule, cron and interval, and which days it leaves out."""

    rrule: str | None = Field(
        default=None,
        title="RRule",
        description="iCalendar recurrence lines, for example FREQ=DAILY;BYHOUR=9. Digits are local time in the zone.",
    )
    cron: str | None = Field(
        default=None, title="Cron", description="Five fields, for example 0 9 * * 1-5, or a name such as @daily."
    )
    day_or: bool = Field(
        default=True,
        title="Cron days: either",
        description="With day-of-month and day-of-week both given, run when either matches (as cron does), not both.",
    )
    interval: Annotated[timedelta | None, BeforeValidator(_read_interval)] = Field(
        default=None, title="Interval", description="Time between runs: 'every 15 minutes', PT15M, or seconds."
    )
    anchor_date: datetime | None = Field(
        default=None,
        title="Anchor of the interval",
        description="The instant from which the interval counts, with a UTC offset: 2026-01-05T09:00:00+01:00.",
    )
    timezone: str = Field(default="UTC", title="Time zone", description="IANA name, for example US/Pacific.")
    active: bool | None = Field(
        default=None, title="Active", description="Whether it creates runs. Empty leaves that to the environment."
    )
    parameters: dict[str, Any] = Field(
        default={}, title="Parameters", description="Flow parameters of the runs that this schedule creates."
    )
    slug: str | None = Field(
        default=None,
        min_length=1,
        title="Name",
        description="The schedule's name within its deployment. Empty means what it says, for example weekdays-0900-utc.",
    )
    holidays: HolidaysSpec = Field(
        default=None,
        title="Holidays",
        description="Days without runs: a country (US; quote 'NO'), a market (NYSE), an .ics file, an object, a list of them, or "
        "false for none. Empty means the recipe's default.",
    )
    on_holiday: Literal["skip", "next_business_day", "previous_business_day", "only"] = Field(
        default="skip",
        title="On a holiday",
        description="Leave the run out, or move it to a business day, where it starts at the same local time; or run on holidays "
        "only.",
    )
    on_weekend: Literal["skip", "next_business_day", "previous_business_day"] | None = Field(
        default=None,
        title="On a weekend",
        description="The same for weekends, which are the calendar's own. Empty means that runs happen there too.",
    )
    business_day: Annotated[tuple[BusinessDay, ...], BeforeValidator(one_or_many)] = Field(
        default=(),
        title="Business days of the month",
        description="Of these times, only those on such business days of their month: 1 is the first, -1 the last.",
    )
    freeze: Annotated[tuple[FreezeWindow, ...], BeforeValidator(one_or_many)] = Field(
        default=(),
        title="Freeze",
        description="Spans of days without any run: 2026-12-20 to 2027-01-03, or each year 12-20 to 01-03.",
    )

    allow: Annotated[tuple[Allowance, ...], BeforeValidator(one_or_many)] = Field(
        default=(),
        title="Allow",
        description="What Prefect takes and is refused otherwise: under_a_minute, more than one run a minute; no_runs, times "
        "that are over or never come; ignored_parts, what Prefect reads otherwise than it is written; slow, what keeps its "
        "server busy. No days can be left out of such times.",
    )

    @model_validator(mode="before")
    @classmethod
    @reads(TEXT)
    def _read_short_form(cls, value: object) -> object:
        return _from_text(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in ("rrule", "cron", "interval") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            given = f"{' and '.join(kinds)} exclude each other" if kinds else "none of them is given"
            raise ValueError(f"a schedule has exactly one of rrule, cron and interval; {given}")
        if self.anchor_date is not None and self.interval is None:
            raise ValueError(f"anchor_date belongs to an interval; this schedule is {kinds[0]}")
        if not self.day_or and self.cron is None:
            raise ValueError(f"day_or belongs to cron; this schedule is {kinds[0]}")
        if self.business_day and (self.on_holiday != "skip" or self.on_weekend):
            other = "on_weekend" if self.on_weekend else "on_holiday"
            raise ValueError(
                f"business_day leaves {other} nothing to do: a business day is neither holiday nor weekend"
            )
        if self.on_holiday == "only" and self.on_weekend:
            raise ValueError(
                "on_holiday: only leaves on_weekend nothing to do: it runs on every holiday, and on no other day"
            )
        return self

    @property
    def kind(self) -> Literal["rrule", "cron", "interval"]:
        """Which of the three forms it uses."""
        if self.rrule is not None:
            return "rrule"
        return "cron" if self.cron is not None else "interval"


def _from_text(text: str) -> dict[str, object]:
    wanted = text.strip()
    if re.search(r"FREQ=|^RRULE|^DTSTART|^RDATE", wanted, re.IGNORECASE):
        return {"rrule": wanted}
    if looks_like_a_duration(wanted):
        return {"interval": wanted}
    if wanted.startswith("@") or len(wanted.split()) in {5, 6, 7}:
        return {"cron": wanted}
    raise ValueError(
        f"{text!r} is no schedule; write for example 'FREQ=DAILY;BYHOUR=9', '0 9 * * 1-5', '@daily' or 'every 15 minutes'"
    )


def read_spec(value: object, *, where: str | None = None) -> ScheduleSpec:
    """Parse one schedule as the user wrote it.

    Args:
        value: A spec, a mapping of its fields, or its short form.
        where: File and key, for error messages.

    Raises:
        ScheduleError: It is not a valid schedule; the message names the field.
    """
    if isinstance(value, ScheduleSpec):
        return value
    try:
        return ScheduleSpec.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        hint = None
        if first["type"] == "extra_forbidden":
            hint = nearest(str(first["loc"][-1]), ScheduleSpec.model_fields)
        message = f"{message_of(first)} {input_of(first)}" if path else message_of(first)
        raise ScheduleError(f"{path}: {message}" if path else message, where=where, hint=hint) from None
