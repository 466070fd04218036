"""Calendars: which days are holidays and which are business days."""

from __future__ import annotations

import importlib
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from meta_prefect.errors import FlowNotFoundError, ScheduleError, nearest
from meta_prefect.files import place_in
from meta_prefect.schedules.spec import CalendarSpec, HolidaysSpec

if TYPE_CHECKING:
    from holidays import HolidayBase

_SATURDAY = 5
_MAX_CODE_LENGTH = 5
_DELIMITER = "; "
_IN_PARENTHESES = re.compile(r"\s*\([^()]*\)$")
_SAMPLE_YEARS = (2026, 2027)
_YEARS_OF_NAMES = 6


@dataclass(frozen=True, slots=True)
class PartDay:
    """A holiday that starts at some time of the day.

    Attributes:
        closes: The local time from which it is off.
        name: The holiday's name.
    """

    closes: time
    name: str


class Calendar(ABC):
    """Holidays by date. Subclass it for your own calendar; only ``holidays`` is required."""

    @abstractmethod
    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:
        """Return the holidays of these years with their names."""

    def is_weekend(self, day: date) -> bool:
        """Return whether a day is on the weekend: Saturday and Sunday unless overridden."""
        return day.weekday() >= _SATURDAY

    def is_business_day(self, day: date) -> bool:
        """Return whether a day is neither a holiday nor on a weekend."""
        return not self.is_weekend(day) and day not in self.holidays([day.year])

    def part_days(self, years: Iterable[int]) -> Mapping[date, PartDay]:
        """Return the days of these years that are off only from a certain time on."""
        del years
        return {}

    @property
    def name(self) -> str:
        """The calendar's name in reports."""
        return type(self).__name__

    @property
    def remark(self) -> str:
        """A note for the user about this calendar; empty if there is none."""
        return ""

    @property
    def has_weekends(self) -> bool:
        """Whether its weekends count when joined with other calendars; a mere list of days has none."""
        return True


class LibraryCalendar(Calendar):
    """A country's or market's calendar from the ``holidays`` library.

    Args:
        name: Its name in reports.
        entity: The library's object. It fills itself year by year as years are queried.
        regions: The country's regions, if each of them has holidays beyond the national ones, which this calendar then lacks.
        excepted: Names of holidays to ignore, in lowercase.
        translations: The same entity in other languages, whose holiday names may be used in ``excepted``.
    """

    def __init__(
        self,
        name: str,
        entity: HolidayBase,
        regions: Sequence[str] = (),
        excepted: Iterable[str] = (),
        translations: Sequence[HolidayBase] = (),
    ) -> None:
        self._name = name
        self._entity = entity
        self._regions = regions
        self._excepted = frozenset(excepted)
        self._translations = translations

    @property
    def name(self) -> str:
        """The code the user wrote, for example ``US-CA``."""
        return self._name

    @property
    def remark(self) -> str:
        """A note that regional holidays are not included, if every region has some."""
        if not self._regions:
            return ""
        examples = " or ".join(f"{self._name}-{region}" for region in self._regions[:2])
        return f"each region of {self._name} has further holidays: write for example {examples}"

    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:
        """Return the library's holidays of these years; New Year's Day observed on 31 December belongs to the old year."""
        wanted = set(years)
        # querying a day fills its year; the next year may put its observed New Year's Day into this one
        for year in sorted(wanted | {year + 1 for year in wanted}):
            for entity in (self._entity, *self._translations):
                entity.get(date(year, 1, 1))
        named = {day: name for day, name in self._entity.items() if day.year in wanted}
        return {day: name for day, whole in named.items() if (name := self._without_excepted(day, whole))}

    def _without_excepted(self, day: date, name: str) -> str:
        """Return the name of a day without its excepted holidays; empty if none is left."""
        if not self._excepted:
            return name
        names = name.split(_DELIMITER)
        others = [parts for one in self._translations if len(parts := one[day].split(_DELIMITER)) == len(names)]
        meant = [{plain_name(one) for one in alike} for alike in zip(names, *others, strict=True)]
        return _DELIMITER.join(one for one, alike in zip(names, meant, strict=True) if not alike & self._excepted)

    def names(self, years: Iterable[int]) -> set[str]:
        """Return the names of its holidays in these years, in every language, including excepted ones."""
        self.holidays(tuple(years))
        entities = (self._entity, *self._translations)
        return {_plain(one) for entity in entities for name in entity.values() for one in name.split(_DELIMITER)}

    def is_weekend(self, day: date) -> bool:
        """Return whether a day is on the entity's weekend and not a working day by decree."""
        return self._entity.is_weekend(day) and day not in self._entity.weekend_workdays


class ClosingCalendar(Calendar):
    """A calendar whose days are off only from a certain time of the day.

    Args:
        calendar: The calendar of the days.
        closes: The local time from which they are off.
    """

    def __init__(self, calendar: Calendar, closes: time) -> None:
        self._calendar = calendar
        self._closes = closes

    @property
    def name(self) -> str:
        """The calendar's name and the time."""
        return f"{self._calendar.name} from {self._closes:%H:%M}"

    @property
    def has_weekends(self) -> bool:
        """As in the wrapped calendar."""
        return self._calendar.has_weekends

    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:
        """Return nothing: no day is off as a whole."""
        del years
        return {}

    def part_days(self, years: Iterable[int]) -> Mapping[date, PartDay]:
        """Return each day of the calendar with the time."""
        return {day: PartDay(self._closes, name) for day, name in self._calendar.holidays(years).items()}

    def is_weekend(self, day: date) -> bool:
        """As in the wrapped calendar."""
        return self._calendar.is_weekend(day)


class PlainCalendar(Calendar):
    """Wraps a user's calendar and turns its dates into plain ones: a ``datetime`` never equals a ``date``.

    Args:
        calendar: The user's calendar.
    """

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._own_business_days = type(calendar).is_business_day is not Calendar.is_business_day

    @property
    def name(self) -> str:
        """The user's name for it."""
        return self._calendar.name

    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:
        """Return the holidays of these years only.

        Raises:
            ScheduleError: The calendar raised an exception, or returned something other than dates with their names.
        """
        wanted = set(years)
        with self._blamed():
            found = {_plain_date(day): str(name) for day, name in self._calendar.holidays(sorted(wanted)).items()}
        return {day: name for day, name in found.items() if day.year in wanted}

    def part_days(self, years: Iterable[int]) -> Mapping[date, PartDay]:
        """Return the days that the user's calendar has off from a certain time, unless it has the whole day off."""
        wanted = set(years)
        whole = self.holidays(wanted)
        with self._blamed():
            found = {_plain_date(day): part for day, part in self._calendar.part_days(sorted(wanted)).items()}
        return {day: part for day, part in found.items() if day.year in wanted and day not in whole}

    def is_weekend(self, day: date) -> bool:
        """Return whether the user's calendar has this day on a weekend."""
        with self._blamed():
            return self._calendar.is_weekend(day)

    def is_business_day(self, day: date) -> bool:
        """Return whether the user's calendar calls this a business day, by its own method or by its days."""
        if not self._own_business_days:
            return super().is_business_day(day)
        with self._blamed():
            return self._calendar.is_business_day(day)

    @contextmanager
    def _blamed(self) -> Generator[None]:
        try:
            yield
        except Exception as error:  # user code may raise anything
            raise ScheduleError(f"the calendar {self.name} failed: {type(error).__name__}: {error}") from error


def _plain_date(day: object) -> date:
    if isinstance(day, datetime):
        return day.date()
    if isinstance(day, date):
        return day
    raise TypeError(f"holidays() must return dates, not {day!r}")


class ListedCalendar(Calendar):
    """A calendar of explicitly listed days.

    Args:
        days: The days off with their names.
        name: Its name in reports.
    """

    def __init__(self, days: Mapping[date, str], name: str = "listed days") -> None:
        self._days = dict(days)
        self._name = name

    @property
    def name(self) -> str:
        """Its name in reports."""
        return self._name

    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:
        """Return the listed days of these years."""
        wanted = set(years)
        return {day: name for day, name in self._days.items() if day.year in wanted}

    @property
    def has_weekends(self) -> bool:
        """Always false: a list of days has no weekends."""
        return False


class JoinedCalendar(Calendar):
    """Several calendars combined: a day off in any of them is a day off.

    Args:
        parts: The calendars.
        excepted: Days that are not holidays even if a part says so.
    """

    def __init__(self, parts: Sequence[Calendar], excepted: Iterable[date] = ()) -> None:
        self._parts = tuple(parts)
        self._excepted = frozenset(excepted)

    @property
    def name(self) -> str:
        """The names of the parts."""
        return " + ".join(part.name for part in self._parts)

    @property
    def remark(self) -> str:
        """The remarks of the parts."""
        return "; ".join(part.remark for part in self._parts if part.remark)

    def holidays(self, years: Iterable[int]) -> Mapping[date, str]:
        """Return the holidays of all parts; a day named by two parts gets both names."""
        wanted = tuple(years)
        names: dict[date, list[str]] = {}
        for part in self._parts:
            for day, name in part.holidays(wanted).items():
                if name not in names.setdefault(day, []):
                    names[day].append(name)
        return {day: " / ".join(found) for day, found in names.items() if day not in self._excepted}

    def part_days(self, years: Iterable[int]) -> Mapping[date, PartDay]:
        """Return the part days of all parts unless another has the whole day off; the earlier of two times wins."""
        wanted = tuple(years)
        whole = self.holidays(wanted)
        several = [item for part in self._parts for item in part.part_days(wanted).items()]
        latest_first = sorted(several, key=lambda item: item[1].closes, reverse=True)
        return {day: part for day, part in latest_first if day not in whole and day not in self._excepted}

    def is_business_day(self, day: date) -> bool:
        """Return whether all parts call it a business day; an excepted day is one unless it is on a weekend."""
        if day in self._excepted:
            return not self.is_weekend(day)
        own = (part for part in self._parts if isinstance(part, PlainCalendar))
        return super().is_business_day(day) and all(part.is_business_day(day) for part in own)

    def is_weekend(self, day: date) -> bool:
        """Return whether it is on the weekend of any part; lists of dates count only if all parts are lists."""
        deciding = [part for part in self._parts if part.has_weekends] or self._parts
        return any(part.is_weekend(day) for part in deciding)


def make_calendar(
    spec: HolidaysSpec | Calendar, *, zone: str = "UTC", base_dir: Path | None = None, where: str | None = None
) -> Calendar | None:
    """Build the calendar that a user described. All its days are plain dates.

    Args:
        spec: A country, a market or an .ics file, an object, several of these, a ready calendar, or False or None for no
            calendar.
        zone: The schedule's time zone, which determines the dates of .ics events written in UTC.
        base_dir: The project's folder; files and modules are loaded only from inside it. None means the working directory,
            and any file.
        where: File and key, for error messages.

    Raises:
        ScheduleError: A country, subdivision, market, category, file or class is unknown.
    """
    match spec:
        case None | False | ():
            return None
        case Calendar():
            return PlainCalendar(spec)
        case str():
            return _named(spec, zone, base_dir, where)
        case CalendarSpec():
            return _described(spec, zone, base_dir, where)
        case _:
            parts = [make_calendar(part, zone=zone, base_dir=base_dir, where=where) for part in spec]
            return JoinedCalendar([part for part in parts if part is not None])


def _described(spec: CalendarSpec, zone: str, base_dir: Path | None, where: str | None) -> Calendar:
    parts: list[Calendar] = []
    if spec.country is not None:
        parts.append(_country(spec.country, spec, where))
    if spec.market is not None:
        parts.append(_market(spec.market, spec, where))
    if spec.ics is not None:
        from meta_prefect.schedules.ics import read_ics

        parts.append(read_ics(_file(spec.ics, base_dir, where), zone, where=where))
    if spec.python is not None:
        parts.append(_imported(spec.python, base_dir, where))
    if spec.extra_dates:
        parts.append(ListedCalendar(spec.extra_dates))
    if spec.closes is not None:
        parts = [ClosingCalendar(part, spec.closes) for part in parts]
    return JoinedCalendar(parts, spec.excepted_dates) if len(parts) > 1 or spec.excepted_dates else parts[0]


def _named(name: str, zone: str, base_dir: Path | None, where: str | None) -> Calendar:
    """Look up a single word: a country, ``country-subdivision``, a market or an .ics file."""
    if name.strip().lower().endswith(".ics"):
        return _described(CalendarSpec(ics=name.strip()), zone, base_dir, where)
    countries, markets = _known_countries(), _known_markets()
    country, _, subdivision = name.partition("-")
    if name.strip().lower() in countries:
        return _country(name, CalendarSpec(country=name), where)
    if name.strip().lower() in markets:
        return _market(name, CalendarSpec(market=name), where)
    if subdivision and country.strip().lower() in countries:
        return _country(country, CalendarSpec(country=country, subdivision=subdivision), where)
    known = [*countries.values(), *markets.values(), *countries, *markets]
    joined = "Write several as a list; on the command line, one --holidays for each." if "," in name else None
    hint = joined or _suggest(name, known, "US, DE, NYSE")
    raise ScheduleError(f"no country or market named {name!r}", where=where, hint=hint)


def _country(name: str, spec: CalendarSpec, where: str | None) -> Calendar:
    import holidays

    known = _known_countries()
    code = known.get(name.strip().lower())
    if code is None:
        hint = _suggest(name, [*known.values(), *known], "US, DE, GB")
        raise ScheduleError(f"no country named {name!r}", where=where, hint=hint)
    plain = holidays.country_holidays(code)
    subdivision = _subdivision(plain, spec.subdivision, code, where)
    categories = _categories(plain, spec.categories, code, where)
    entity = holidays.country_holidays(code, subdiv=subdivision, observed=spec.observed, categories=categories)
    regions = () if subdivision or spec.categories else _regions_with_more(code)
    shown = f"{code}-{subdivision}" if subdivision else code
    if not spec.except_holidays:
        return LibraryCalendar(shown, entity, regions)
    translations = [
        holidays.country_holidays(
            code, subdiv=subdivision, observed=spec.observed, categories=categories, language=language
        )
        for language in entity.supported_languages
    ]
    return _excepting(LibraryCalendar(shown, entity, regions, _plain_names(spec), translations), spec, where)


def _plain_names(spec: CalendarSpec) -> set[str]:
    return {plain_name(name) for name in spec.except_holidays}


def _excepting(calendar: LibraryCalendar, spec: CalendarSpec, where: str | None) -> LibraryCalendar:
    """Apply the exceptions to a calendar, after checking that it has each of those holidays."""
    this_year = datetime.now(UTC).year
    known = {name.casefold(): name for name in calendar.names(range(this_year - 1, this_year + _YEARS_OF_NAMES))}
    for name in spec.except_holidays:
        if plain_name(name) not in known:
            hint = _nearest_name(name, known)
            message = f"except_holidays: the calendar {calendar.name} has no holiday {name!r}"
            raise ScheduleError(message, where=where, hint=hint)
    return calendar


def _nearest_name(name: str, known: Mapping[str, str]) -> str:
    said = nearest(plain_name(name), known)
    close = said.split("'")[1] if said.startswith("Did") and "'" in said else ""
    return f"Did you mean {known[close]!r}?" if close in known else f"It has {', '.join(sorted(known.values()))}."


def plain_name(name: str) -> str:
    """Normalize a holiday's name for comparison: lowercase, without a suffix such as ``(observed)``."""
    return _plain(name).casefold()


def _plain(name: str) -> str:
    return _IN_PARENTHESES.sub("", name.strip())


@cache
def _regions_with_more(code: str) -> tuple[str, ...]:
    """Return a country's regions if each of them has holidays beyond the national ones, otherwise nothing."""
    import holidays

    national = holidays.country_holidays(code, years=_SAMPLE_YEARS)
    own = (holidays.country_holidays(code, subdiv=region, years=_SAMPLE_YEARS) for region in national.subdivisions)
    return tuple(national.subdivisions) if all(set(region) - set(national) for region in own) else ()


def _market(name: str, spec: CalendarSpec, where: str | None) -> Calendar:
    import holidays

    known = _known_markets()
    code = known.get(name.strip().lower())
    if code is None:
        hint = _suggest(name, [*known.values(), *known], "NYSE, ECB, LSE")
        raise ScheduleError(f"no market named {name!r}", where=where, hint=hint)
    categories = _categories(holidays.financial_holidays(code), spec.categories, code, where)
    entity = holidays.financial_holidays(code, observed=spec.observed, categories=categories)
    calendar = LibraryCalendar(name.strip().upper(), entity, excepted=_plain_names(spec))
    return _excepting(calendar, spec, where) if spec.except_holidays else calendar


def _subdivision(entity: HolidayBase, name: str | None, country: str, where: str | None) -> str | None:
    if name is None:
        return None
    aliases = cast("Mapping[str, str]", entity.subdivisions_aliases)
    known = {code.lower(): code for code in entity.subdivisions} | {long.lower(): c for long, c in aliases.items()}
    wanted = name.strip().lower()
    if code := known.get(wanted) or known.get(wanted.removeprefix(f"{country.lower()}-")):
        return code
    if not known:
        raise ScheduleError(f"{country} has no subdivisions, got {name!r}", where=where, hint="Leave subdivision out.")
    hint = _suggest(name, [*entity.subdivisions, *aliases], ", ".join(entity.subdivisions))
    raise ScheduleError(f"{country} has no subdivision {name!r}", where=where, hint=hint)


def _categories(entity: HolidayBase, names: Sequence[str], code: str, where: str | None) -> tuple[str, ...] | None:
    for name in names:
        if name not in entity.supported_categories:
            hint = nearest(name, entity.supported_categories)
            raise ScheduleError(f"the calendar {code} has no holidays of category {name!r}", where=where, hint=hint)
    return tuple(names) or None


def _file(path: str, base_dir: Path | None, where: str | None) -> Path:
    """Resolve the path of a calendar file, which must be inside the project's folder."""
    if base_dir is None:
        return Path(path)
    if (file := place_in(base_dir, path)) is None:
        hint = "Calendars are only taken from the project; move the file there."
        raise ScheduleError(f"{path!r} lies outside of the project's folder {base_dir}", where=where, hint=hint)
    return file


def _imported(path: str, base_dir: Path | None, where: str | None) -> Calendar:
    module, separator, name = path.partition(":")
    if not separator:
        module, _, name = path.rpartition(".")
    if base_dir is not None:
        _check_module(module, base_dir, where)
    try:
        found: object = getattr(importlib.import_module(module), name)
        made: object = found() if isinstance(found, type) else found
    except Exception as error:  # the user's own module may raise anything
        message = f"the calendar {path!r} cannot be loaded: {type(error).__name__}: {error}"
        raise ScheduleError(message, where=where, hint=_import_hint(error, module, name, base_dir)) from error
    if not isinstance(made, Calendar):
        hint = f"Derive it from {Calendar.__module__}.Calendar."
        raise ScheduleError(f"{path!r} is no calendar but {type(made).__name__}", where=where, hint=hint)
    return PlainCalendar(made)


def _import_hint(error: Exception, module: str, name: str, base_dir: Path | None) -> str | None:
    """Return what to write instead of an import path; None if the module itself raised an error."""
    match error:
        case ModuleNotFoundError() if error.name == module.partition(".")[0]:
            return f"Modules are imported from {base_dir or 'the working directory'}, and from installed packages."
        case AttributeError() if error.name == name and error.obj is sys.modules.get(module):
            return nearest(name, [one for one in vars(error.obj) if not one.startswith("_")])
        case _:
            return None if module else "Write it as module:ClassName."


def _check_module(module: str, base_dir: Path, where: str | None) -> None:
    from meta_prefect.flows.entrypoints import check_module

    try:
        check_module(base_dir, module)
    except FlowNotFoundError as error:
        raise ScheduleError(error.message, where=where, hint=error.hint) from None


@cache
def _known_countries() -> dict[str, str]:
    from holidays.registry import COUNTRIES

    return _by_every_name(cast("Mapping[str, tuple[str, ...]]", COUNTRIES))


@cache
def _known_markets() -> dict[str, str]:
    from holidays.registry import FINANCIAL

    return _by_every_name(cast("Mapping[str, tuple[str, ...]]", FINANCIAL))


def _by_every_name(registry: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Map every name of an entity, in lowercase, to the library's code."""
    return {
        said.lower(): names[1]
        for module, names in registry.items()
        for said in (module, module.replace("_", " "), *names)
    }


def _suggest(name: str, known: Iterable[str], examples: str) -> str:
    """Suggest the nearest known name, ignoring case; a list of hundreds of names would not help."""
    shown = {said.lower(): said for said in known}
    said = nearest(name.strip().lower(), shown)
    if not said.startswith("Did"):
        return f"Known are for example {examples}."
    found = said.split("'")[1]
    # codes are uppercase, country names are capitalized
    return f"Did you mean {(found.upper() if len(found) <= _MAX_CODE_LENGTH else shown[found].title())!r}?"


def days_between(calendar: Calendar, first: date, last: date) -> dict[date, str]:
    """Return the holidays in a range of days, both ends included, in order."""
    found = calendar.holidays(range(first.year, last.year + 1))
    return {day: found[day] for day in sorted(found) if first <= day <= last}
