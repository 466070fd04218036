"""Computes the changes that bring the server to the project's desired state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment, VersionRule
from meta_prefect.interfaces.json_diff import ABSENT, Record, differences, differences_within, is_same
from meta_prefect.interfaces.tags import owner
from meta_prefect.plan.changes import (
    ALREADY,
    DEPLOYMENT,
    Change,
    Create,
    Offline,
    Subject,
    Unchanged,
    Update,
    after_of,
    before_of,
    creates_runs,
)
from meta_prefect.plan.deployment_record import LiveDeployment, desired_record, field_changes
from meta_prefect.plan.ledger import LedgerEntry
from meta_prefect.plan.ownership import (
    DEFAULTS,
    NOT_MANAGED,
    SHARED,
    Shared,
    added_by_operators,
    check_ownership,
    has_lost_its_mark,
    kept,
    lost_mark_message,
    refusal_of_unmanaged,
    taken_over,
    with_added,
    with_given_up,
    with_inherited_activation,
)
from meta_prefect.plan.same_code import SameCode, with_live_commit
from meta_prefect.plan.schedule_identity import recognised, renamed
from meta_prefect.plan.schedule_record import merged_schedule


def next_integer(version: str | None) -> str:
    """Return the next counted version; counting starts at 1, also after a version that is not a number."""
    return str(int(version) + 1) if version and version.isdecimal() else "1"


def diff_deployment(
    desired: Deployment,
    live: LiveDeployment | None,
    predecessor: LiveDeployment | None = None,
    last: LedgerEntry | None = None,
    same_code: SameCode = lambda _: False,
) -> Change:
    """Compare a deployment with the live one of the same name.

    For an unmanaged live deployment, the change is what taking it over would do.


    Args:
        desired: The desired deployment.
        live: The live one; None if it does not exist.
        predecessor: The live deployment of another name that a new one replaces.
        last: Its last ledger entry; None if unknown, and what the recipe does not set is kept.
        same_code: Returns whether another commit has the same project files as the deployed one.

    Raises:
        ConflictError: The live one belongs to another project or environment, or the one it replaces is not managed.
    """
    subject = Subject(DEPLOYMENT, desired.full_name)
    notes = (schedule.note for schedule in desired.schedules or () if schedule.note)
    remarks = (*notes, *desired.notes, *unfilled_parameters(desired))
    wanted = desired_record(desired, live or predecessor)
    if live is None:
        return _created(desired, predecessor, wanted, remarks)

    takes_over, whose = _ownership(desired, live, last)
    made: dict[Shared, frozenset[str]] = {field: last.made(field) for field in SHARED} if last is not None else {}
    names = recognised(desired.schedules or (), live.record["schedules"], made.get("schedules", ()))
    seen = replace(live, record=renamed(live.record, names.renamed))
    remarks = (*whose, *names.remarks, *remarks)
    wanted, commit = with_live_commit(desired, wanted, live.record, same_code)
    theirs = added_by_operators(wanted, seen.record, made)
    theirs = {field: value for field, value in theirs.items() if field not in desired.owns_all}
    wanted = with_added(wanted, theirs)
    if last is not None:
        applied = last.after and renamed(last.after, names.renamed)
        wanted = with_given_up(wanted, seen.record, applied, last.ours, last.made("schedules"))
    wanted = with_inherited_activation(wanted, seen.record, names.given)
    if wanted["work_pool_name"] != live.record["work_pool_name"]:
        # A queue belongs to its pool: in another pool, Prefect would use the default queue.
        wanted = {"work_queue_name": DEFAULTS["work_queue_name"], **wanted}
    fields = (*names.changes, *field_changes(seen.record, wanted))
    version = _counted_version(desired, live.record["version"]) if isinstance(desired.version, VersionRule) else None
    counted = version is not None and (bool(fields) or desired.version is not VersionRule.NEXT_ON_CHANGE)
    keeps_version = counted and not fields and _version_stays(desired, live.record, version)
    if counted and not keeps_version:
        wanted["version"] = version
        fields += tuple(differences(live.record["version"], version, "version"))
    stays = kept(wanted, seen, theirs)
    if not fields:
        reason = f"code unchanged since {short_commit(commit)}" if commit else ALREADY
        return Unchanged(subject, reason, live.record, remarks, stays, keeps_version)
    after = _after(seen.record, wanted)
    return Update(
        subject,
        fields,
        live.record,
        after,
        counted,
        remarks,
        stays,
        desired.context.now,
        renamed=names.renamed,
        takes_over=takes_over,
    )


def _created(desired: Deployment, predecessor: LiveDeployment | None, wanted: Record, remarks: Iterable[str]) -> Create:
    if predecessor is not None:
        check_ownership(desired, predecessor)
        if owner(predecessor.record["tags"]) is None and not desired.context.adopt:
            raise refusal_of_unmanaged(predecessor.full_name)
        wanted = {**_set_by_operators(desired, predecessor.record, wanted), **wanted}
        remarks = (*remarks, f"takes the place of {predecessor.full_name}, which is deleted")
    if isinstance(desired.version, VersionRule):
        wanted["version"] = _counted_version(desired, predecessor.record["version"] if predecessor else None)
    if desired.context.preview:
        # Start paused, so that someone can look at it first. Unless the project sets it, unpausing is then up to the
        # operators.
        wanted = {"paused": True, **wanted}
    return Create(
        Subject(DEPLOYMENT, desired.full_name),
        tuple(differences_within(ABSENT, wanted)),
        wanted,
        tuple(remarks),
        desired.context.now,
    )


def _ownership(
    desired: Deployment, live: LiveDeployment, last: LedgerEntry | None
) -> tuple[str | None, tuple[str, ...]]:
    """Return why a live deployment is unmanaged, or None if the project owns it; and remarks about its ownership.

    Raises:
        ConflictError: It belongs to another project or environment.
    """
    check_ownership(desired, live)
    context = desired.context
    if owner(live.record["tags"]) is not None:
        return None, tuple(taken_over(desired, live))
    if last is not None and has_lost_its_mark(live, last.id, last.after, context.names):
        return None, (lost_mark_message(desired.full_name, context.project),)
    is_given_up = last is not None and last.id == live.id and last.after is not None
    why = last.disowned_text if last is not None and is_given_up else NOT_MANAGED
    becomes = (
        "this project takes it over" if context.adopt else "a deploy with --adopt changes it so, another is refused"
    )
    return why, (f"{why}: {becomes}",)


def is_before(
    change: Change, live: LiveDeployment | None, planned_old: LiveDeployment | None, old: LiveDeployment | None
) -> bool:
    """Return whether a deployment, and the one it replaces, are unchanged since they were planned."""
    return is_same(before_of(change), live and live.record) and is_same(
        planned_old and planned_old.record, old and old.record
    )


def is_after(change: Change, live: LiveDeployment) -> bool:
    """Return whether a deployment is already in the planned state."""
    after = after_of(change)
    return after is not None and not tuple(field_changes(live.record, after))


def needs_history(desired: Deployment, live: LiveDeployment) -> bool:
    """Return whether the last deploy's entry matters: a field not set by the recipe is set, or the mark is gone."""
    wanted = desired_record(desired, live)
    theirs = added_by_operators(wanted, live.record, {})
    return owner(live.record["tags"]) is None or bool(kept(wanted, live, {k: v for k, v in theirs.items() if v}))


def unfilled_parameters(desired: Deployment) -> Iterator[str]:
    """Yield which scheduled runs will fail because a required parameter has no value."""
    for schedule in desired.schedules or ():
        if missing := [name for name in desired.open_parameters if name not in schedule.parameters]:
            yield f"scheduled runs will fail (no value for {', '.join(missing)})"


def _counted_version(desired: Deployment, live_version: str | None) -> str:
    context, following = desired.context, next_integer(live_version)
    # A saved plan determines whether to count, but never by how much.
    if (planned := context.versions.get(desired.full_name)) is not None and planned in (live_version, following):
        return planned
    return live_version if live_version is not None and not context.next_versions else following


def _version_stays(desired: Deployment, live: Record, following: str | None) -> bool:
    """Return whether the next counted version, as the only change, is not worth deleting scheduled runs.

    A version fixed by a plan is written, so that the plan is applied as shown.
    """
    context, version = desired.context, live["version"]
    if context.bump or desired.full_name in context.versions or not (version or "").isdecimal():
        return False
    return version != following and creates_runs(live)


def _set_by_operators(desired: Deployment, live: Record, wanted: Record) -> Record:
    """Return the operators' settings on a replaced deployment, as far as the recipe leaves them to operators."""
    kept = {key: live[key] for key in ("paused", "concurrency_limit", "collision_strategy", "work_queue_name")}
    if live["work_pool_name"] != wanted["work_pool_name"]:
        del kept["work_queue_name"]
    if "schedules" not in wanted:
        kept["schedules"] = live["schedules"]
    stored = renamed(live, recognised(desired.schedules or (), live["schedules"], ()).renamed)["schedules"]
    for key, schedule in wanted.get("schedules", {}).items():
        if key in stored:
            schedule.setdefault("active", stored[key]["active"])
    return {key: value for key, value in kept.items() if value is not None}


def _after(live: Record, wanted: Record) -> Record:
    """Merge the desired record into the live one; operators' fields inside a schedule are kept."""
    after = {**live, **wanted}
    if "schedules" in wanted:
        after["schedules"] = {
            key: merged_schedule(live["schedules"].get(key), schedule) for key, schedule in wanted["schedules"].items()
        }
    return after


def diff_component(component: Component, live: Record | None) -> Change:
    """Compare a component with its live state.

    Raises:
        ConflictError: The live object cannot be changed to the desired state.
    """
    subject = Subject(*component.key)
    fields = tuple(component.compare(live))
    remarks = tuple(component.remarks(live))
    after: Record = component.model_dump(mode="json", exclude={"name"})
    if live is None:
        return Create(subject, fields, after, remarks)
    if fields:
        return Update(subject, fields, live, after, remarks=remarks)
    offline = component.cannot_run(live)
    return Offline(subject, offline, live, remarks) if offline else Unchanged(subject, ALREADY, live, remarks)
