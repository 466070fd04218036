"""Deployments as records: what we want of one, and what the server says of one, in the same normal form.

Whatever the server adds or rewrites by itself must not look like a difference:

* it puts ``DTSTART:20200101T000000`` before a recurrence rule that has none (or a recent one, for rules by the minute);
* ``./flow.py:etl`` is ``flow.py:etl``;
* a missing description may be null, an empty string or, from older clients, the word ``None``;
* the order of tags means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, count
from typing import Any

from meta_prefect.interfaces.deployment import Deployment, VersionRule
from meta_prefect.interfaces.json_diff import FieldChange, Record, differences, is_same
from meta_prefect.interfaces.markdown import escaped
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.mark import without_mark


@dataclass(frozen=True, slots=True)
class LiveDeployment:
    """A deployment as the server has it.

    Attributes:
        id: Its id.
        flow_name: The name of its flow.
        name: Its name.
        record: Its fields in normal form.
        schedule_ids: The id of each schedule, by its key in the record: the slug, or ``id:<id>`` where somebody made one
            without.
        untouched: What somebody has set of the fields that no deploy ever writes, by their place.
        mark: The mark of what was applied last, see :mod:`meta_prefect.plan.applied`; None where it carries none.
    """

    id: str
    flow_name: str
    name: str
    record: Record
    schedule_ids: dict[str, str]
    untouched: Record = field(default_factory=dict[str, Any])
    mark: str | None = None

    @property
    def full_name(self) -> str:
        """``flow/deployment``."""
        return f"{self.flow_name}/{self.name}"


def normal_description(text: str | None) -> str:
    """Read the ways in which Prefect stores that there is no description as an empty one."""
    return "" if text is None or text == "None" else text


def normal_tags(tags: Iterable[str]) -> list[str]:
    """Sort, and drop blanks and duplicates."""
    return sorted({tag for tag in tags if tag})


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


def desired_record(deployment: Deployment, live: LiveDeployment | None = None) -> Record:
    """The normal form of a deployment that we want: all that is ours, nothing that is left to the operator.

    The version is missing where only the live one gives it.

    Args:
        deployment: The deployment.
        live: The live one, if it is there.
    """
    record: Record = {
        "entrypoint": deployment.entrypoint or deployment.flow.entrypoint,
        "path": None,
        "pull_steps": deployment.pull_steps,
        "description": normal_description(deployment.description),
        "tags": normal_tags(deployment.tags),
        "parameters": deployment.parameters,
        "parameter_openapi_schema": _as_stored(deployment.form, live),
        "enforce_parameter_schema": deployment.enforce_parameter_schema,
        "job_variables": deployment.job_variables,
        "work_pool_name": deployment.work_pool_name,
    }
    if not isinstance(deployment.version, VersionRule):
        record["version"] = deployment.version
    if deployment.work_queue_name is not None:
        record["work_queue_name"] = deployment.work_queue_name
    if deployment.paused is not None:
        record["paused"] = deployment.paused
    if deployment.concurrency_limit is not None:
        record["concurrency_limit"] = deployment.concurrency_limit or None
    if deployment.collision_strategy is not None:
        record["collision_strategy"] = _strategy_as_stored(deployment.collision_strategy, live)
    if deployment.grace_period_seconds is not None:
        record["grace_period_seconds"] = deployment.grace_period_seconds
    if deployment.schedules is not None:
        stored: Record = live.record["schedules"] if live else {}
        named = _named(deployment.schedules, stored)
        record["schedules"] = {slug: schedule_record(one, stored.get(slug)) for slug, one in named.items()}
        record["description"] = "\n\n".join(filter(None, (record["description"], *_described(named))))
    return record


def _as_stored(form: Record, live: LiveDeployment | None) -> Record:
    """A form as it is stored already, where that differs in nothing but empty parts, which clients write or leave out."""
    stored: Record = live.record["parameter_openapi_schema"] if live else {}
    return stored if _without_empty_parts(stored) == _without_empty_parts(form) else form


def _strategy_as_stored(strategy: str, live: LiveDeployment | None) -> str | None:
    """A strategy as it is stored already, where it is what Prefect does for a limit that comes without one."""
    if strategy != "ENQUEUE" or live is None or not live.record["concurrency_limit"]:
        return strategy
    return None if live.record["collision_strategy"] is None else strategy


def _without_empty_parts(form: Record) -> Record:
    return {key: value for key, value in form.items() if value or key not in ("definitions", "required")}


def chosen_slugs(schedules: Iterable[Schedule]) -> set[str]:
    """The slugs of schedules that are not named by what they say."""
    return {one.slug for one in schedules if one.in_words is None}


def _named(schedules: Iterable[Schedule], stored: Record) -> dict[str, Schedule]:
    """The slug under which each schedule is stored: one that is live stays what it is, so that the schedule keeps its id.

    A schedule whose slug nobody chose is named by what it says, unless it is live under its kind, as it once was stored.
    """
    schedules = tuple(schedules)
    chosen = chosen_slugs(schedules)
    named: dict[str, Schedule] = {}
    for one in schedules:
        slug = one.slug
        if one.in_words is not None:
            readable = artifact_key(one.in_words.replace(":", ""))
            if readable in stored or one.slug not in stored:
                others = (f"{readable}-{number}" for number in count(2))
                slug = next(name for name in chain([readable], others) if name not in named and name not in chosen)
        named[slug] = one
    return named


def _described(named: dict[str, Schedule]) -> Iterator[str]:
    """What rrules say that are named by it: Prefect's UI shows "every year" for one with days off, and no slug."""
    for slug, one in named.items():
        if one.rrule is not None and one.in_words is not None and slug != one.slug:
            yield f"Schedule: {escaped(one.in_words)}"


def live_deployment(answer: Record, flow_name: str) -> LiveDeployment:
    """Read what ``/deployments/filter`` says of one deployment."""
    limit: Record | None = answer.get("global_concurrency_limit")
    options: Record | None = answer.get("concurrency_options")
    form, mark = without_mark(answer.get("parameter_openapi_schema") or {})
    schedules: dict[str, Record] = {}
    schedule_ids: dict[str, str] = {}
    items: list[Record] = answer.get("schedules") or []
    for item in items:
        key = item.get("slug") or f"id:{item['id']}"
        schedules[key] = _live_schedule(item)
        schedule_ids[key] = item["id"]
    record: Record = {
        **{
            key: answer.get(key)
            for key in (
                "path",
                "version",
                "enforce_parameter_schema",
                "work_pool_name",
                "work_queue_name",
                "paused",
            )
        },
        "entrypoint": (answer.get("entrypoint") or "").removeprefix("./") or None,
        "pull_steps": answer.get("pull_steps") or [],
        "description": normal_description(answer.get("description")),
        "tags": normal_tags(answer.get("tags") or []),
        "parameters": answer.get("parameters") or {},
        "parameter_openapi_schema": form,
        "job_variables": answer.get("job_variables") or {},
        "concurrency_limit": limit["limit"] if limit else None,
        "collision_strategy": options["collision_strategy"] if options else None,
        "grace_period_seconds": options.get("grace_period_seconds") if options else None,
        "schedules": schedules,
    }
    return LiveDeployment(
        id=answer["id"],
        flow_name=flow_name,
        name=answer["name"],
        record=record,
        schedule_ids=schedule_ids,
        untouched=dict(_untouched(answer, items)),
        mark=mark,
    )


def _untouched(answer: Record, schedules: Iterable[Record]) -> Iterator[tuple[str, Any]]:
    labels: Record = answer.get("labels") or {}
    yield from ((f"labels.{key}", value) for key, value in labels.items() if not key.startswith("prefect."))
    for key in ("storage_document_id", "infrastructure_document_id"):
        if answer.get(key) is not None:
            yield key, answer[key]
    for schedule in schedules:
        if (most := schedule.get("max_scheduled_runs")) is not None:
            yield f"schedules.{schedule.get('slug') or schedule['id']}.max_scheduled_runs", most


def _live_schedule(item: Record) -> Record:
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


def changed_schedules(live: dict[str, Record], wanted: dict[str, Record]) -> dict[str, Record]:
    """The wanted schedules that are not on the server as they are wanted."""
    compared = schedules_to_compare(live, wanted)
    return {
        slug: schedule
        for slug, schedule in wanted.items()
        if slug not in compared or not is_same(compared[slug], schedule)
    }


def field_changes(live: Record, wanted: Record) -> Iterable[FieldChange]:
    """Yield where a live record differs from a wanted one in what the wanted one sets."""
    for key, value in wanted.items():
        before = live.get(key)
        yield from differences(schedules_to_compare(before or {}, value) if key == "schedules" else before, value, key)


def schedules_to_compare(live: Any, wanted: dict[str, Record]) -> dict[str, Record]:
    """Reduce live schedules to what may be compared with the wanted ones: no injected DTSTART, nothing of the operator's."""
    compared: dict[str, Record] = {}
    for key, record in live.items():
        reduced = dict(record)
        if (ours := wanted.get(key)) is not None:
            if "active" not in ours:
                del reduced["active"]
            if "rrule" in ours and "rrule" in reduced:
                reduced["rrule"] = without_injected_start(reduced["rrule"], ours["rrule"])
            if "anchor_date" not in ours:
                # The server anchors an interval at the moment it was stored.
                reduced.pop("anchor_date", None)
        compared[key] = reduced
    return compared
