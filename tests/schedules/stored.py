"""What a user writes, as the schedules that Prefect gets."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from schedule_oracle import midnight

from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.schedules import resolve


def stored_for(specs: Any, **options: Any) -> tuple[Schedule, ...]:
    """The schedules that are stored, without how they came about; the options are those of ``resolve``."""
    return tuple(found.schedule for found in resolve(specs, **options))


def horizon(said: str | None) -> datetime:
    """The first moment whose holidays are not left out, as the note of a schedule says it."""
    until = re.search(r"\buntil (\d{4}-\d{2}-\d{2})\b", said or "")
    assert until is not None, said
    return midnight(date.fromisoformat(until[1]))
