"""What is ours of a live deployment, and what is the operators'.

A recipe owns the fields that it sets. The others are kept as they are, and the plan says which of them somebody has set. A
field that a recipe set at its last deploy and no longer sets goes back to the server's default, unless somebody has changed it
since: then it is theirs. That is the three-way comparison of last applied, live and wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, is_same
from meta_prefect.interfaces.tags import environment_tag, owner
from meta_prefect.plan.deployment_record import LiveDeployment

DEFAULTS: Final[Record] = {
    "paused": False,
    "concurrency_limit": None,
    "collision_strategy": None,
    "grace_period_seconds": None,
    "schedules": {},
    "work_queue_name": "default",
}
"""The fields that a recipe may leave to the operators, as the server has them where nobody sets them."""


def check_ownership(desired: Deployment, live: LiveDeployment) -> None:
    """Find out whether a live deployment may be written for a project. What belongs to a former name of it is its own.

    Raises:
        ConflictError: It belongs to another project or environment, or to nobody and the deploy does not adopt.
    """
    project = desired.context.project
    where = f"deployment {live.full_name}"
    match owner(live.record["tags"]):
        case None if not desired.context.adopt:
            raise ConflictError(
                "there is a deployment of this name that Meta-Prefect does not manage",
                where=where,
                hint="Take it over with --adopt, or choose another name.",
            )
        case str(other) if other not in desired.context.names:
            raise ConflictError(
                f"the live deployment belongs to the project {other!r}, not to {project!r}",
                where=where,
                hint=f"In the project file: `project: {other}` to keep that name, or `renamed_from: {other}` if this project had "
                "it before. To have both on this server, give this deployment another name.",
            )
        case _:
            pass
    environment = next((tag for tag in live.record["tags"] if tag.startswith("env=")), None)
    if environment not in (None, environment_tag(desired.environment)):
        raise ConflictError(
            f"the live deployment is for {environment!r}, and this deploy for {environment_tag(desired.environment)!r}",
            where=where,
            hint="Let its name tell its environment, as `namer` does.",
        )


def taken_over(desired: Deployment, live: LiveDeployment) -> Iterator[str]:
    """Say that a live deployment belongs to a former name of the project."""
    if (former := owner(live.record["tags"])) in desired.context.renamed_from:
        yield f"taken over from the project {former!r}"


def kept(wanted: Record, live: LiveDeployment) -> Record:
    """What operators have set of what the recipe does not: values by the place of their field."""
    return {**dict(_kept(wanted, live.record)), **live.untouched}


def _kept(wanted: Record, live: Record) -> Iterator[tuple[str, object]]:
    for key, default in DEFAULTS.items():
        if key in wanted or is_same(live[key], default):
            continue
        if key == "schedules":
            yield from ((f"schedules.{slug}", schedule) for slug, schedule in live[key].items())
        else:
            yield key, live[key]
    schedules: dict[str, Record] = wanted.get("schedules") or {}
    for slug, schedule in schedules.items():
        if "active" not in schedule and live["schedules"].get(slug, {}).get("active") is False:
            yield f"schedules.{slug}.active", False


def with_given_up(wanted: Record, live: Record, last_applied: Record | None, ours: tuple[str, ...]) -> Record:
    """Add to what a recipe sets the defaults of what it set at its last deploy, no longer sets, and nobody changed since.

    Args:
        wanted: What the recipe sets; not changed.
        live: The live record.
        last_applied: The record that the last deploy left; None where that is not known, and everything is kept.
        ours: What that deploy set; see :attr:`~meta_prefect.plan.ledger.LedgerEntry.ours`.
    """
    if last_applied is None:
        return wanted
    given_up: Record = {}
    for key, default in DEFAULTS.items():
        if key in wanted or key not in ours:
            continue
        if key == "schedules":
            # Schedules that somebody has added since are theirs.
            left = {slug: schedule for slug, schedule in live[key].items() if slug not in last_applied[key]}
            given_up[key] = left
        elif is_same(live[key], last_applied.get(key)):
            given_up[key] = default
    asked: dict[str, Record] = wanted.get("schedules") or {}
    schedules = {
        slug: {"active": True, **schedule} if _gave_up_activation(slug, live, last_applied, ours) else schedule
        for slug, schedule in asked.items()
    }
    return {**wanted, **given_up, **({"schedules": schedules} if schedules else {})}


def with_handed_on(wanted: Record, live: Record, chosen: Collection[str]) -> Record:
    """Let schedules that take the place of others, all of which were switched off, stay off where the recipe says nothing.

    A schedule that is named by what it says gets another name where that changes, and with it would be switched on.

    Args:
        wanted: What the recipe sets; not changed.
        live: The live record.
        chosen: The slugs that somebody chose: such a schedule takes no other one's place.
    """
    asked: dict[str, Record] = wanted.get("schedules") or {}
    gone = [schedule for slug, schedule in live["schedules"].items() if slug not in asked]
    if not asked or not gone or any(schedule["active"] for schedule in gone):
        return wanted
    schedules = {
        slug: schedule if slug in live["schedules"] or slug in chosen else {"active": False, **schedule}
        for slug, schedule in asked.items()
    }
    return {**wanted, "schedules": schedules}


def _gave_up_activation(slug: str, live: Record, last_applied: Record, ours: tuple[str, ...]) -> bool:
    if f"schedules.{slug}.active" not in ours:
        return False
    now, then = live["schedules"].get(slug), last_applied["schedules"].get(slug)
    return now is not None and then is not None and is_same(now["active"], then["active"])


def is_ours(path: str, wanted: Record) -> bool:
    """Whether a field, given by its place in the record, is one that the recipe sets."""
    key, _, rest = path.partition(".")
    if key not in wanted:
        return False
    if key == "schedules" and rest.endswith(".active"):
        slug = rest.removesuffix(".active")
        return slug not in wanted[key] or "active" in wanted[key][slug]
    return True
