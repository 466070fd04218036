"""Parses durations as people write them: ``every 15 minutes``, ``1h 30m``, ``PT15M`` or a number of seconds."""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_SHORT = {"sec": 1, "s": 1, "min": 60, "m": 60, "hr": 3600, "h": 3600, "d": 86_400, "w": 604_800}
_UNITS = _SECONDS | _SHORT
_PIECE = re.compile(r"(?P<count>\d+)?\s*(?P<unit>[a-z]+)")
_ISO = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE,
)


def looks_like_a_duration(text: str) -> bool:
    """Return whether a schedule's short form is meant as an interval: it starts with ``every`` or ``P``."""
    return bool(re.match(r"every\b|P[T\d]", text.strip(), re.IGNORECASE))


def read_duration(text: str) -> timedelta:
    """Parse a duration.

    Args:
        text: ``every 15 minutes``, ``every hour``, ``2 hours and 30 minutes``, ``1h30m``, or ISO 8601 such as ``PT15M``
            and ``P1D``; digits alone are seconds.

    Raises:
        ValueError: The text is not a duration.
    """
    wanted = text.strip()
    if (iso := _ISO.fullmatch(wanted)) and any(iso.groupdict().values()):
        return timedelta(**{unit: float(count) for unit, count in iso.groupdict().items() if count})
    if wanted.isdecimal() and int(wanted):
        return timedelta(seconds=int(wanted))
    plain = re.sub(r"^every\b|\band\b|,", " ", wanted.lower())
    seconds = 0
    rest = plain.strip()
    while rest and (piece := _PIECE.match(rest)):
        unit = piece["unit"]
        size = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
        if size is None:
            break
        seconds += int(piece["count"] or 1) * size
        rest = rest[piece.end() :].strip()
    if rest or not seconds:
        raise ValueError(f"{text!r} is no duration; write for example 'every 15 minutes', 'every 2 hours' or 'PT15M'")
    return timedelta(seconds=seconds)
