"""A moment that was read back, and that may be computed with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime

_YEARS: Final = range(1970, 3000)


def _in_utc(moment: datetime) -> datetime:
    """Turn a moment into UTC. At the edge of the calendar that, and any sum with it, overflows."""
    if moment.year not in _YEARS:
        raise ValueError(f"the year {moment.year} is out of range")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment with an offset, as UTC, in a year of which arithmetic is safe."""
