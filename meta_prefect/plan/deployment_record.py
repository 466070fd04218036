"""Deployments as records: the desired and the live one, in the same normal form.

What the server adds or rewrites must not count as a difference:

* it adds ``DTSTART:20200101T000000`` to a recurrence rule without one (or a recent one, for minutely rules);
* ``./flow.py:etl`` is ``flow.py:etl``;
* a missing description may be null, an empty string or, from older clients, the text ``None``;
* the order of tags is irrelevant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from meta_prefect.interfaces.deployment import Deployment, VersionRule
from meta_prefect.interfaces.json_diff import FieldChange, Record, differences
from meta_prefect.interfaces.markdown import escaped
from meta_prefect.plan.mark import without_mark
from meta_prefect.plan.schedule_identity import WITHOUT_SLUG, Identified, identified, readable_slug
from meta_prefect.plan.schedule_record import live_schedule, schedule_record, schedules_to_compare


@dataclass(frozen=True, slots=True)
class LiveDeployment:
    """A deployment on the server.

    Attributes:
        id: Its id.
        flow_name: The name of its flow.
        name: Its name.
        record: Its fields in normal form.
        schedule_ids: The id of each schedule, by its key in the record: the slug, or ``id:<id>`` if it was created without
            one; in order of creation.
        untouched: Values of fields that no deploy ever writes, by field path.
        mark: The mark of what was last applied, see :mod:`meta_prefect.plan.applied`; None if there is none.
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
    """Normalize the various ways in which Prefect stores a missing description to an empty text."""
    return "" if text is None or text == "None" else text


def normal_tags(tags: Iterable[str]) -> list[str]:
    """Sort tags, and drop blank and duplicate ones."""
    return sorted({tag for tag in tags if tag})


def desired_record(deployment: Deployment, live: LiveDeployment | None = None) -> Record:
    """Return the normal form of a desired deployment: everything that is ours, nothing that is left to the operator.

    The version is omitted if it depends on the live one.

    Args:
        deployment: The deployment.
        live: The live deployment, if it exists.
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
        record["collision_strategy"] = _strategy_as_stored(deployment, live)
    if deployment.grace_period_seconds is not None:
        record["grace_period_seconds"] = deployment.grace_period_seconds
    if deployment.schedules is not None:
        stored: Record = live.record["schedules"] if live else {}
        named = identified(deployment.schedules, stored)
        record["schedules"] = {
            slug: schedule_record(one.schedule, stored.get(one.live or "")) for slug, one in named.items()
        }
        record["description"] = "\n\n".join(filter(None, (record["description"], *_described(named))))
    return record


def _as_stored(form: Record, live: LiveDeployment | None) -> Record:
    """Return a parameter schema as already stored, if it differs only in empty parts, which clients may omit."""
    stored: Record = live.record["parameter_openapi_schema"] if live else {}
    return stored if _without_empty_parts(stored) == _without_empty_parts(form) else form


def _strategy_as_stored(deployment: Deployment, live: LiveDeployment | None) -> str | None:
    """Return the stored strategy if it is Prefect's default for a limit without one, and there is to be a limit."""
    strategy = deployment.collision_strategy
    is_limited = live is not None and live.record["concurrency_limit"] and deployment.concurrency_limit != 0
    if strategy != "ENQUEUE" or live is None or not is_limited:
        return strategy
    return None if live.record["collision_strategy"] is None else strategy


def _without_empty_parts(form: Record) -> Record:
    return {key: value for key, value in form.items() if value or key not in ("definitions", "required")}


def _described(named: dict[str, Identified]) -> Iterator[str]:
    """Describe rrules that are named by their rule: Prefect's UI shows "every year" for those with days off, and no slug."""
    for slug, one in named.items():
        in_words = one.schedule.in_words
        if one.schedule.rrule is not None and in_words is not None and slug.startswith(readable_slug(in_words)):
            yield f"Schedule: {escaped(in_words)}"


def live_deployment(answer: Record, flow_name: str) -> LiveDeployment:
    """Convert an item of ``/deployments/filter`` to a live deployment."""
    limit: Record | None = answer.get("global_concurrency_limit")
    options: Record | None = answer.get("concurrency_options")
    form, mark = without_mark(answer.get("parameter_openapi_schema") or {})
    schedules: dict[str, Record] = {}
    schedule_ids: dict[str, str] = {}
    # The server lists the most recently changed first.
    items: list[Record] = sorted(answer.get("schedules") or [], key=lambda item: item.get("created") or "")
    for item in items:
        key = item.get("slug") or f"{WITHOUT_SLUG}{item['id']}"
        schedules[key] = live_schedule(item)
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


def field_changes(live: Record, wanted: Record) -> Iterable[FieldChange]:
    """Yield the differences between a live and a desired record in the fields that the latter sets."""
    for key, value in wanted.items():
        before = live.get(key)
        yield from differences(schedules_to_compare(before or {}, value) if key == "schedules" else before, value, key)
