"""The writes that turn a live deployment's schedules into the desired ones while keeping their identity."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from meta_prefect.interfaces.json_diff import Record, is_same
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.schedule_identity import WITHOUT_SLUG, slug_of
from meta_prefect.plan.schedule_record import as_compared


@dataclass(frozen=True, slots=True)
class ScheduleWrites:
    """What to send, in this order.

    Attributes:
        patched: Changes, by schedule id.
        created: New schedules.
        replaced: The ids of schedules to recreate, because the server cannot remove a slug.
        together: Changed and new schedules sent with the deployment's own fields; possible if all have slugs, by which the
            server matches them.
        deleted: The ids of schedules to delete.
    """

    patched: dict[str, Record] = field(default_factory=dict[str, Record])
    created: list[Record] = field(default_factory=list[Record])
    replaced: list[str] = field(default_factory=list[str])
    together: list[Record] = field(default_factory=list[Record])
    deleted: list[str] = field(default_factory=list[str])


def schedule_writes(live: LiveDeployment, wanted: Mapping[str, Record], renamed: Mapping[str, str]) -> ScheduleWrites:
    """Determine what to send.

    Args:
        live: The deployment as read.
        wanted: The complete schedules, by slug; those without one by ``id:…``.
        renamed: The keys of live schedules that get a new slug, by that slug.
    """
    origins = _origins(live, wanted, renamed)
    writes = ScheduleWrites(
        deleted=[one for key, one in live.schedule_ids.items() if key not in origins.values()],
    )
    by_slug = not any(key.startswith(WITHOUT_SLUG) for key in (*live.schedule_ids, *wanted))
    for key, record in wanted.items():
        slug = slug_of(key)
        old = origins.get(key)
        if old is None:
            (writes.together if by_slug else writes.created).append(schedule_body(slug, record))
        elif slug is None and not old.startswith(WITHOUT_SLUG):
            writes.replaced.append(live.schedule_ids[old])
            writes.created.append(schedule_body(slug, record))
        elif changed := _changed(old, live.record["schedules"][old], key, record):
            if by_slug:
                writes.together.append({**changed, "slug": key, **({"replaces": old} if old != key else {})})
            else:
                writes.patched[live.schedule_ids[old]] = changed
    return writes


def _origins(live: LiveDeployment, wanted: Mapping[str, Record], renamed: Mapping[str, str]) -> dict[str, str]:
    """Return the key of the live schedule that each desired one corresponds to, if it exists."""
    keys = {one: key for key, one in live.schedule_ids.items()}
    origins: dict[str, str] = {}
    for key, record in wanted.items():
        # An earlier attempt may have recreated it without a slug, or given it its slug.
        candidates = (
            _made_again(key, record, live, origins.values()),
            renamed.get(key, key),
            key,
            keys.get(key.removeprefix(WITHOUT_SLUG)),
        )
        if (old := next((one for one in candidates if one in live.schedule_ids), None)) is not None:
            origins[key] = old
    return origins


def _made_again(key: str, record: Record, live: LiveDeployment, taken: Collection[str]) -> str | None:
    """Find the live schedule without a slug that equals one recorded under another id."""
    if not key.startswith(WITHOUT_SLUG) or key in live.schedule_ids:
        return None
    free = (one for one in live.schedule_ids if one.startswith(WITHOUT_SLUG) and one not in taken)
    return next((one for one in free if is_same(live.record["schedules"][one], record)), None)


def _changed(old: str, live: Record, key: str, wanted: Record) -> Record:
    """Return what to send for an existing schedule: everything if anything differs, or only its new slug."""
    changed: Record = {} if old == key else {"slug": key}
    if not is_same(as_compared(live, wanted), wanted):
        return {**changed, **schedule_body(None, wanted)}
    # Omitted parameters would be cleared.
    return {**changed, "parameters": wanted["parameters"]} if changed else {}


def schedule_body(slug: str | None, record: Record) -> Record:
    """Convert a schedule to the API's form."""
    rule = {key: value for key, value in record.items() if key not in ("active", "parameters")}
    body: Record = {"schedule": rule, "parameters": record["parameters"]}
    if slug is not None:
        body["slug"] = slug
    if "active" in record:
        body["active"] = record["active"]
    return body
