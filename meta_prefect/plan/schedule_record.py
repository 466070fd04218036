"""Schedules of deployments as records: what we want of one, and what the server says of one, in the same normal form."""

from __future__ import annotations

from datetime import UTC, datetime

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.schedules import Schedule


def schedule_record(schedule: Schedule, live: Record | None = None) -> Record:
    """The normal form of a schedule that we want; ``active`` is there only where we set it.

    Args:
        schedule: The schedule.
        live: The live one; where its rule names the same runs, its text is wanted too.
    """
    record: Record = {"timezone": schedule.timezone, "parameters": schedule.parameters}
    if schedule.rrule is not None:
        stored = live.get("rrule") if live else None
        record["rrule"] = stored if stored in schedule.alike else schedule.rrule
    elif schedule.cron is not None:
        record |= {"cron": schedule.cron, "day_or": schedule.day_or}
    elif schedule.interval is not None:
        record["interval"] = schedule.interval.total_seconds()
        if schedule.anchor_date is not None:
            record["anchor_date"] = _instant(schedule.anchor_date.isoformat())
    if schedule.active is not None:
        record["active"] = schedule.active
    return record


def live_schedule(item: Record) -> Record:
    """The normal form of a schedule as the server answers it."""
    rule: Record = item["schedule"]
    record: Record = {
        "active": item["active"],
        "parameters": item.get("parameters") or {},
        "timezone": rule.get("timezone") or "UTC",
    }
    if "rrule" in rule:
        record["rrule"] = rule["rrule"]
    elif "cron" in rule:
        record |= {"cron": rule["cron"], "day_or": rule.get("day_or", True)}
    else:
        record |= {"interval": float(rule["interval"]), "anchor_date": _instant(rule.get("anchor_date"))}
    return record


def _instant(text: str | None) -> str | None:
    """One spelling for a moment: in UTC, with ``+00:00``, which a moment without an offset means to Prefect too."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    try:
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)).isoformat()
    except OverflowError:  # at the edge of the calendar
        return text


def without_injected_start(live: str, wanted: str) -> str:
    """Drop the DTSTART line that the server put before a rule that was sent without one."""
    if "DTSTART" in wanted.upper():
        return live
    return "\n".join(line for line in live.splitlines() if not line.upper().startswith("DTSTART"))


def as_compared(live: Record, wanted: Record) -> Record:
    """A live schedule as far as it may be compared with a wanted one: no injected DTSTART, nothing of the operators'."""
    reduced = dict(live)
    if "active" not in wanted:
        reduced.pop("active", None)
    if "rrule" in wanted and "rrule" in reduced:
        reduced["rrule"] = without_injected_start(reduced["rrule"], wanted["rrule"])
    if "anchor_date" not in wanted:
        # The server anchors an interval at the moment it was stored.
        reduced.pop("anchor_date", None)
    return reduced


def schedules_to_compare(live: dict[str, Record], wanted: dict[str, Record]) -> dict[str, Record]:
    """Live schedules as far as they may be compared with the wanted ones."""
    return {key: as_compared(one, wanted[key]) if key in wanted else one for key, one in live.items()}


def merged_schedule(live: Record | None, wanted: Record) -> Record:
    """A wanted schedule with what it leaves to the operators and the server: whether it is active, and from when it counts."""
    kept: Record = {"active": (live or {}).get("active", True)}
    if live is not None and "interval" in wanted and "anchor_date" in live:
        kept["anchor_date"] = live["anchor_date"]
    return {**kept, **wanted}
