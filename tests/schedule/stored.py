"""What a user writes, as the schedules that Prefect gets."""

from __future__ import annotations

from typing import Any

from meta_prefect.implementations.schedule import resolve
from meta_prefect.interfaces.schedules import Schedule


def stored_for(specs: Any, **options: Any) -> tuple[Schedule, ...]:
    """The schedules that are stored, without how they came about; the options are those of ``resolve``."""
    return tuple(found.schedule for found in resolve(specs, **options))
