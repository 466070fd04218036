"""Schedules that leave out holidays: the calendar library, in which there is no builder.

What a user writes is read (``spec``, ``reading``), its days off are worked out (``calendars``, ``days_off``), and it is turned
into what Prefect stores (``resolve``, ``exclusions``); ``preview`` says what a stored schedule will do.
"""

from meta_prefect.schedules.calendars import Calendar, PartDay, make_calendar
from meta_prefect.schedules.resolve import Resolved, resolve
from meta_prefect.schedules.spec import CalendarSpec, FreezeWindow, HolidaysSpec, ScheduleSpec, read_spec

__all__ = [
    "Calendar",
    "CalendarSpec",
    "FreezeWindow",
    "HolidaysSpec",
    "PartDay",
    "Resolved",
    "ScheduleSpec",
    "make_calendar",
    "read_spec",
    "resolve",
]
