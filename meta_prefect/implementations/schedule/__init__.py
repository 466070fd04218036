"""Schedules that leave out holidays: what a user writes, and what Prefect stores for it."""

from meta_prefect.implementations.schedule.calendars import Calendar, make_calendar
from meta_prefect.implementations.schedule.resolve import Resolved, resolve
from meta_prefect.implementations.schedule.scheduler import Schedules, ScheduleVariable, scheduler
from meta_prefect.implementations.schedule.spec import CalendarSpec, FreezeWindow, HolidaysSpec, ScheduleSpec, read_spec

__all__ = [
    "Calendar",
    "CalendarSpec",
    "FreezeWindow",
    "HolidaysSpec",
    "Resolved",
    "ScheduleSpec",
    "ScheduleVariable",
    "Schedules",
    "make_calendar",
    "read_spec",
    "resolve",
    "scheduler",
]
