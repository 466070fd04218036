"""The builder for a deployment's schedules."""

from meta_prefect.implementations.schedule.scheduler import Schedules, ScheduleVariable, scheduler
from meta_prefect.schedules import Calendar, CalendarSpec, FreezeWindow, HolidaysSpec, PartDay, ScheduleSpec

__all__ = [
    "Calendar",
    "CalendarSpec",
    "FreezeWindow",
    "HolidaysSpec",
    "PartDay",
    "ScheduleSpec",
    "ScheduleVariable",
    "Schedules",
    "scheduler",
]
