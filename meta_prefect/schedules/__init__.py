"""The calendar library: schedules that skip holidays, independent of builders.

User input is parsed (``spec``, ``reading``), its days off are computed (``calendars``, ``days_off``), and the result is
converted into what Prefect stores (``resolve``, ``exclusions``); ``preview`` tells what a stored schedule will do.
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
