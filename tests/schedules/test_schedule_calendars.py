"""Calendars: countries, parts of them, markets, listed days, files and classes, alone and joined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from stored import stored_for

from meta_prefect.errors import ScheduleError
from meta_prefect.schedules import Calendar, HolidaysSpec, make_calendar

HOLIDAYS: TypeAdapter[HolidaysSpec] = TypeAdapter(HolidaysSpec)
YEARS = (2026,)


class FoundersDay(Calendar):
    """A calendar as users write it."""

    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:
        return {date(year, 3, 3): "Founders' Day" for year in years}


def calendar(written: object, base_dir: Path | None = None) -> Calendar:
    """The calendar for what stands under ``holidays``."""
    made = make_calendar(HOLIDAYS.validate_python(written), base_dir=base_dir)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("written", "off", "on"),
    [
        pytest.param("US", date(2026, 7, 3), date(2026, 7, 2), id="observed"),
        pytest.param({"country": "US", "observed": False}, date(2026, 7, 4), date(2026, 7, 3), id="not-observed"),
        pytest.param("us", date(2026, 11, 26), date(2026, 11, 27), id="case"),
        pytest.param("Germany", date(2026, 10, 3), date(2026, 6, 4), id="name"),
        pytest.param("DE-BY", date(2026, 6, 4), date(2026, 6, 5), id="part"),
        pytest.param(
            {"country": "US", "subdivision": "California"}, date(2026, 3, 31), date(2026, 10, 12), id="part-by-name"
        ),
        pytest.param("NYSE", date(2026, 4, 3), date(2026, 11, 11), id="market"),
        pytest.param({"market": "ECB"}, date(2026, 5, 1), date(2026, 7, 14), id="market-object"),
        pytest.param(
            {"country": "BR", "categories": "optional"}, date(2026, 12, 24), date(2026, 12, 25), id="category"
        ),
        pytest.param({"extra_dates": ["2026-03-03"]}, date(2026, 3, 3), date(2026, 3, 4), id="only-listed"),
        pytest.param(
            {"country": "US", "extra_dates": {"2026-11-27": "bridge"}, "excepted_dates": ["2026-10-12"]},
            date(2026, 11, 27),
            date(2026, 10, 12),
            id="extra-and-excepted",
        ),
        pytest.param(
            {"extra_dates": ["2026-03-04", {"2026-03-03": "Founders' Day"}]},
            date(2026, 3, 3),
            date(2026, 3, 5),
            id="named",
        ),
        pytest.param(["US", "DE"], date(2026, 10, 3), date(2026, 10, 2), id="joined"),
        pytest.param({"python": f"{__name__}:FoundersDay"}, date(2026, 3, 3), date(2026, 3, 4), id="class"),
    ],
)
def test_a_calendar_knows_its_days(written: object, off: date, on: date) -> None:
    """Each way to write a calendar gives the days off that it names, and no others."""
    found = calendar(written).holidays(YEARS)

    assert off in found
    assert on not in found


def test_joined_calendars_name_both_reasons() -> None:
    """A day off in two calendars carries both names."""
    joined = calendar(["US", {"extra_dates": {"2026-12-25": "Inventory"}}])

    assert joined.holidays(YEARS)[date(2026, 12, 25)] == "Christmas Day / Inventory"


@pytest.mark.parametrize(
    ("written", "day", "works"),
    [
        pytest.param("US", date(2026, 9, 5), False, id="saturday"),
        pytest.param("US", date(2026, 9, 7), False, id="holiday"),
        pytest.param("US", date(2026, 9, 8), True, id="tuesday"),
        pytest.param("IL", date(2026, 9, 6), True, id="sunday-in-israel"),
        pytest.param("IL", date(2026, 9, 4), False, id="friday-in-israel"),
        pytest.param(
            {"country": "IL", "extra_dates": ["2026-03-03"]}, date(2026, 9, 6), True, id="a-list-has-no-weekend"
        ),
        pytest.param("CN", date(2026, 2, 14), True, id="saturday-worked-by-decree"),
        pytest.param({"python": f"{__name__}:FoundersDay"}, date(2026, 3, 3), False, id="own-class"),
    ],
)
def test_business_days_are_those_of_the_calendar(written: object, day: date, works: bool) -> None:
    """Weekends are the calendar's own."""
    assert calendar(written).is_business_day(day) is works


@pytest.mark.parametrize("written", [None, False, ()])
def test_no_calendar_is_none(written: HolidaysSpec) -> None:
    """Nothing, false and an empty list mean that there are no holidays."""
    assert make_calendar(written) is None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Germny", "no country or market named 'Germny'\n  Did you mean 'Germany'"),
        ("US,DE", "no country or market named 'US,DE'\n  Write several as a list"),
        ("NYSEE", "Did you mean 'NYSE'"),
        ({"country": "QQ"}, "no country named 'QQ'"),
        ({"country": "DE", "subdivision": "Bayrn"}, "DE has no subdivision 'Bayrn'\n  Did you mean"),
        ({"country": "MC", "subdivision": "X"}, "MC has no subdivisions"),
        ({"country": "US", "categories": ["publik"]}, "no holidays of category 'publik'\n  Did you mean 'public'"),
        ({"market": "NISE"}, "no market named 'NISE'\n  Did you mean"),
        ({"python": "no_such_module:Days"}, "cannot be loaded: ModuleNotFoundError"),
        ({"python": "datetime:date"}, "cannot be loaded: TypeError"),
        ({"python": "datetime:MINYEAR"}, "no calendar but int"),
        ({"ics": "missing.ics"}, "missing.ics' cannot be read"),
    ],
)
def test_an_unknown_calendar_is_refused_with_the_nearest_name(written: object, said: str) -> None:
    """A misspelt country, subdivision, category, market, class or file is an error that helps."""
    with pytest.raises(ScheduleError, match=said):
        calendar(written)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"country": "US", "market": "NYSE"}, "country and market exclude each other"),
        ({"subdivision": "CA"}, "an empty calendar"),
        ({"market": "NYSE", "subdivision": "CA"}, "needs a country"),
        ({"land": "US"}, "Extra inputs"),
        ({"extra_dates": [20261127]}, "20261127 is no date; write for example 2026-11-27"),
        ({"extra_dates": [["2026-11-27"]]}, "is no date"),
        (True, "True names no calendar; write for example US"),
        ({}, "{} names no calendar"),
        (5, "5 names no calendar"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused(written: object, said: str) -> None:
    """The description itself is checked before anything is looked up."""
    with pytest.raises(ValueError, match=said):
        HOLIDAYS.validate_python(written)


ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
SUMMARY:Company retreat
DTSTART;VALUE=DATE:20260504
DTEND;VALUE=DATE:20260507
END:VEVENT
BEGIN:VEVENT
UID:2
SUMMARY:Founders' Day
DTSTART;VALUE=DATE:20200303
RRULE:FREQ=YEARLY;UNTIL=20300101T000000Z
EXDATE;VALUE=DATE:20270303
END:VEVENT
BEGIN:VEVENT
UID:3
SUMMARY:Move
DTSTART:20261109T080000Z
DTEND:20261110T120000Z
END:VEVENT
END:VCALENDAR
"""


def test_an_icalendar_file_gives_the_days_of_its_events(tmp_path: Path) -> None:
    """Whole days, several days, yearly events and events with a time of day; the path is relative to the project."""
    (tmp_path / "company.ics").write_text(ICS.replace("\n", "\r\n"))
    found = calendar({"ics": "company.ics"}, tmp_path)

    assert calendar("company.ics", tmp_path).holidays((2026,)) == found.holidays((2026,))
    assert found.holidays((2026, 2027, 2028)) == {
        date(2026, 5, 4): "Company retreat",
        date(2026, 5, 5): "Company retreat",
        date(2026, 5, 6): "Company retreat",
        date(2026, 3, 3): "Founders' Day",
        date(2028, 3, 3): "Founders' Day",
        date(2026, 11, 9): "Move",
        date(2026, 11, 10): "Move",
    }
    assert found.name == "company.ics"


HARD_ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
{zone}
BEGIN:VEVENT
UID:weekly
SUMMARY:Inventory
DTSTART;VALUE=DATE:20260105
RRULE:FREQ=WEEKLY;COUNT=4
RDATE;VALUE=DATE:20260220
EXDATE;VALUE=DATE:20260112
END:VEVENT
BEGIN:VEVENT
UID:weekly
RECURRENCE-ID;VALUE=DATE:20260119
SUMMARY:Inventory, moved
DTSTART;VALUE=DATE:20260121
END:VEVENT
BEGIN:VEVENT
UID:weekly
RECURRENCE-ID;VALUE=DATE:20260126
SUMMARY:Inventory
STATUS:CANCELLED
DTSTART;VALUE=DATE:20260126
END:VEVENT
BEGIN:VEVENT
UID:cancelled
SUMMARY:Called off
STATUS:CANCELLED
DTSTART;VALUE=DATE:20260303
END:VEVENT
BEGIN:VEVENT
UID:utc
SUMMARY:Whole day in Berlin
DTSTART:20260503T220000Z
DTEND:20260504T220000Z
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.parametrize(
    ("said", "zone"),
    [
        pytest.param("X-WR-TIMEZONE:Europe/Berlin", "America/New_York", id="the-calendars-zone"),
        pytest.param("X-NOTHING:said", "Europe/Berlin", id="the-schedules-zone"),
    ],
)
def test_an_icalendar_file_is_read_as_calendar_programs_read_it(tmp_path: Path, said: str, zone: str) -> None:
    """Moved, added, excepted and cancelled occurrences count as such, and a whole day exported in UTC is one day."""
    (tmp_path / "team.ics").write_text(HARD_ICS.format(zone=said).replace("\n", "\r\n"))
    made = make_calendar("team.ics", zone=zone, base_dir=tmp_path)

    assert made is not None
    assert made.holidays((2026,)) == {
        date(2026, 1, 5): "Inventory",
        date(2026, 1, 21): "Inventory, moved",
        date(2026, 2, 20): "Inventory",
        date(2026, 5, 4): "Whole day in Berlin",
    }


def test_a_broken_icalendar_file_is_refused(tmp_path: Path) -> None:
    """What is no iCalendar file is an error, not a calendar without days."""
    (tmp_path / "broken.ics").write_text("these are not the days you are looking for")
    with pytest.raises(ScheduleError, match=r"broken\.ics' is not a valid iCalendar file"):
        calendar({"ics": "broken.ics"}, tmp_path)


class Moments(Calendar):
    """A calendar that gives moments instead of dates, and the same ones whatever it is asked for."""

    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:  # noqa: ARG002
        return {datetime(2026, 12, day, 12, tzinfo=UTC): "closed" for day in (24, 25, 28)}


@pytest.mark.parametrize(
    "written",
    [
        pytest.param({"python": f"{__name__}:Moments"}, id="by-path"),
        pytest.param(({"python": f"{__name__}:Moments"}, {"extra_dates": ["2026-07-01"]}), id="joined"),
        pytest.param(Moments(), id="in-code"),
    ],
)
def test_a_calendar_of_moments_moves_no_run_onto_a_holiday(written: Any) -> None:
    """Christmas Eve's run moves behind all days off and the weekend, although the calendar gave datetimes."""
    (stored,) = stored_for(
        {"cron": "0 9 * * 4", "on_holiday": "next_business_day"},
        default_calendar=HOLIDAYS.validate_python(written) if not isinstance(written, Calendar) else written,
        now=datetime(2026, 11, 26, tzinfo=UTC),
    )

    assert stored.rrule is not None
    assert "RDATE:20261229T090000" in stored.rrule


def test_excepted_dates_hold_for_every_kind_of_calendar() -> None:
    """A day that the project excepts is a working day, also where a class of its own calls it a holiday."""
    made = calendar({"python": f"{__name__}:Moments", "excepted_dates": ["2026-12-24"]})

    assert sorted(made.holidays((2026,))) == [date(2026, 12, 25), date(2026, 12, 28)]
    assert made.is_business_day(date(2026, 12, 24))


class Broken(Calendar):
    """A calendar with a bug."""

    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:  # noqa: ARG002
        raise RuntimeError("no connection")


class Texts(Calendar):
    """A calendar that gives texts."""

    def holidays(self, years: Iterable[int]) -> Any:  # noqa: ARG002
        return {"2026-12-24": "closed"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Broken", "the calendar Broken failed: RuntimeError: no connection"),
        ("Texts", "the calendar Texts failed: TypeError: holidays() must return dates, not '2026-12-24'"),
    ],
)
def test_an_error_in_a_calendar_of_ones_own_names_the_calendar(name: str, said: str) -> None:
    """What the user's code raises, or returns instead of dates, is an error of that calendar."""
    with pytest.raises(ScheduleError) as refused:
        calendar({"python": f"{__name__}:{name}"}).holidays(YEARS)

    assert str(refused.value) == said
