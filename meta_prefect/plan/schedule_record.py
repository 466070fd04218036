"""Schedules of deployments as records: the desired and the live one, in the same normal form."""

from __future__ import annotations

from datetime import UTC, datetime

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.schedules import Schedule


def schedule_record(schedule: Schedule, live: Record | None = None) -> Record:
    """Return the normal form of a desired schedule; ``active`` is included only if we set it.

    Args:
        schedule: The schedule.
        live: The live one; if its rule yields the same runs, its text is kept.
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
    """Convert a schedule from the server to normal form."""
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
    """Normalize a timestamp to UTC with ``+00:00``, which Prefect assumes for one without an offset."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    try:
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)).isoformat()
    except OverflowError:  # near the limits of the calendar
        return text


def without_injected_start(live: str, wanted: str) -> str:
    """Drop the DTSTART line that the server added to a rule sent without one."""
    if "DTSTART" in wanted.upper():
        return live
    return "\n".join(line for line in live.splitlines() if not line.upper().startswith("DTSTART"))


def as_compared(live: Record, wanted: Record) -> Record:
    """Reduce a live schedule to what can be compared with a desired one: no injected DTSTART, no operators' fields."""
    reduced = dict(live)
    if "active" not in wanted:
        reduced.pop("active", None)
    if "rrule" in wanted and "rrule" in reduced:
        reduced["rrule"] = without_injected_start(reduced["rrule"], wanted["rrule"])
    if "anchor_date" not in wanted:
        # The server anchors an interval at the time it was stored.
        reduced.pop("anchor_date", None)
    return reduced


def schedules_to_compare(live: dict[str, Record], wanted: dict[str, Record]) -> dict[str, Record]:
    """Reduce live schedules to what can be compared with the desired ones."""
    return {key: as_compared(one, wanted[key]) if key in wanted else one for key, one in live.items()}


def merged_schedule(live: Record | None, wanted: Record) -> Record:
    """Add to a desired schedule what it leaves to operators and the server: activation and anchor."""
    kept: Record = {"active": (live or {}).get("active", True)}
    if live is not None and "interval" in wanted and "anchor_date" in live:
        kept["anchor_date"] = live["anchor_date"]
    return {**kept, **wanted}
