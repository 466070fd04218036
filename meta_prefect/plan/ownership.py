"""Determines which fields of a live deployment are ours, and which are the operators'.

A recipe owns the fields it sets. Others are kept as they are, and the plan lists those that someone has set. A field that the
recipe set in its last deploy and no longer sets is reset to the server's default, unless someone has changed it since: then
it is the operators'. This is a three-way comparison of last applied, live and desired state.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, is_same
from meta_prefect.interfaces.tags import Names, environment_tag, is_mark, owner, owner_tag
from meta_prefect.plan.deployment_record import LiveDeployment

DEFAULTS: Final[Record] = {
    "paused": False,
    "concurrency_limit": None,
    "collision_strategy": None,
    "grace_period_seconds": None,
    "schedules": {},
    "work_queue_name": "default",
}
"""Fields that a recipe may leave to operators, with the server's defaults."""

NOT_MANAGED: Final = "Meta-Prefect does not manage it"

Shared = Literal["schedules", "tags"]

SHARED: Final[tuple[Shared, ...]] = ("schedules", "tags")
"""Fields that operators may add to: additions are kept, unless the recipe owns all of it."""


def check_ownership(desired: Deployment, live: LiveDeployment) -> None:
    """Check that a live deployment may be written for a project, which includes one that belongs to a former name.

    Raises:
        ConflictError: It belongs to another project or environment.
    """
    project = desired.context.project
    where = f"deployment {live.full_name}"
    if (other := owner(live.record["tags"])) not in (None, *desired.context.names):
        raise ConflictError(
            f"the live deployment belongs to the project {other!r}, not to {project!r}",
            where=where,
            hint=f"In the project file: `project: {other}` to keep that name, or `renamed_from: {other}` if this project had "
            "it before. To have both on this server, give this deployment another name.",
        )
    environment = next((tag for tag in live.record["tags"] if tag.startswith("env=")), None)
    if environment not in (None, environment_tag(desired.environment_word)):
        raise ConflictError(
            f"the live deployment is for {environment!r}, and this deploy for {environment_tag(desired.environment_word)!r}",
            where=where,
            hint="Let its name tell its environment, as `namer` does. Where both words mean the same, say so in the project "
            f"file: `environments: {{{desired.environment}: {{called: {environment.removeprefix('env=')}}}}}`.",
        )


def refusal_of_unmanaged(name: str, why: str = NOT_MANAGED) -> ConflictError:
    """Build the error for a deploy that would write an unmanaged deployment without adopting it."""
    return ConflictError(
        f"there is a deployment of this name, and {why}",
        where=f"deployment {name}",
        hint="Take it over with --adopt (`meta-prefect plan` shows what that changes), or choose another name.",
    )


def has_lost_its_mark(live: LiveDeployment, last_id: str | None, last_applied: Record | None, names: Names) -> bool:
    """Return whether a deployment was the project's, but was overwritten by something else without its mark.

    Args:
        live: The live deployment; one that was deleted and recreated does not count.
        last_id: The id of the one the project wrote last.
        last_applied: The record written then; None if unknown.
        names: The project's names.
    """
    if owner(live.record["tags"]) is not None or last_applied is None or live.id != last_id:
        return False
    return owner(last_applied.get("tags") or ()) in names


def lost_mark_message(deployment: str, project: str) -> str:
    """Explain that a deployment has lost its mark."""
    return (
        f"its tag {owner_tag(project)} is gone: something else has written it, such as `prefect deploy`; a deploy makes it this "
        f"project's again, `meta-prefect disown {shlex.quote(deployment)}` gives it up"
    )


def taken_over(desired: Deployment, live: LiveDeployment) -> Iterator[str]:
    """Yield a remark if a live deployment belongs to a former name of the project."""
    if (former := owner(live.record["tags"])) in desired.context.renamed_from:
        yield f"taken over from the project {former!r}"


def kept(wanted: Record, live: LiveDeployment, theirs: Record) -> Record:
    """Return the operators' settings that are kept, by field path.

    Args:
        wanted: The fields that the recipe sets.
        live: The live deployment, with schedules under their future slugs.
        theirs: Operators' additions; see :func:`added_by_operators`.
    """
    schedules: Record = theirs.get("schedules") or {}
    added: Record = {f"schedules.{key}": one for key, one in schedules.items()}
    if tags := theirs.get("tags"):
        added["tags"] = tags
    return {**dict(_kept(wanted, live.record)), **added, **live.untouched}


def added_by_operators(wanted: Record, live: Record, made: Mapping[Shared, Collection[str]]) -> Record:
    """Return the live schedules and tags that neither a recipe has created nor the current one sets.

    A recipe that sets an empty list of schedules removes everyone's.

    Args:
        wanted: The fields that the recipe sets.
        live: The live record, with schedules under their future slugs.
        made: The last deploy's part of each field.
    """
    theirs: Record = {}
    if asked := wanted.get("schedules"):
        ours = {*asked, *made.get("schedules", ())}
        theirs["schedules"] = {key: one for key, one in live["schedules"].items() if key not in ours}
    ours = {*wanted["tags"], *made.get("tags", ())}
    theirs["tags"] = [tag for tag in live["tags"] if tag not in ours and not is_mark(tag)]
    return theirs


def with_added(wanted: Record, theirs: Record) -> Record:
    """Merge operators' additions into what a recipe sets."""
    added = {**wanted, "tags": sorted({*wanted["tags"], *theirs.get("tags", ())})}
    if "schedules" in theirs:
        added["schedules"] = {**wanted["schedules"], **theirs["schedules"]}
    return added


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


def with_given_up(
    wanted: Record, live: Record, last_applied: Record | None, ours: tuple[str, ...], made: Collection[str] = ()
) -> Record:
    """Add defaults for fields that the recipe set in its last deploy, no longer sets, and nobody has changed since.

    Args:
        wanted: The fields that the recipe sets; not modified.
        live: The live record.
        last_applied: The record left by the last deploy; None if unknown, and everything is kept.
        ours: The fields set by that deploy; see :attr:`~meta_prefect.plan.ledger.LedgerEntry.ours`.
        made: The schedules created by it.
    """
    if last_applied is None:
        return wanted
    given_up: Record = {}
    for key, default in DEFAULTS.items():
        if key in wanted or key not in ours:
            continue
        if key == "schedules":
            # Schedules added by others are theirs.
            given_up[key] = {slug: schedule for slug, schedule in live[key].items() if slug not in made}
        elif is_same(live[key], last_applied.get(key)):
            given_up[key] = default
    asked: dict[str, Record] = wanted.get("schedules") or {}
    schedules = {
        slug: {"active": True, **schedule} if _gave_up_activation(slug, live, last_applied, ours) else schedule
        for slug, schedule in asked.items()
    }
    return {**wanted, **given_up, **({"schedules": schedules} if schedules else {})}


def with_inherited_activation(wanted: Record, live: Record, chosen: Collection[str]) -> Record:
    """Keep schedules inactive that replace only inactive ones, if the recipe does not set their activation.

    A schedule named after its rule gets another name when the rule changes, and would otherwise be activated.

    Args:
        wanted: The fields that the recipe sets; not modified.
        live: The live record.
        chosen: User-chosen slugs: such a schedule does not replace another one.
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
    """Return whether the field at a path is one that the recipe sets."""
    key, _, rest = path.partition(".")
    if key not in wanted:
        return False
    if key == "schedules" and rest.endswith(".active"):
        slug = rest.removesuffix(".active")
        return slug not in wanted[key] or "active" in wanted[key][slug]
    return True
