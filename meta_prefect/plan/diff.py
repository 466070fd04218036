"""What has to happen so that the server is as the project wants it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment, VersionRule
from meta_prefect.interfaces.records import ABSENT, FieldChange, Record, differences, differences_within
from meta_prefect.interfaces.tags import environment_tag, owner
from meta_prefect.plan.changes import DEPLOYMENT, Change, Create, Subject, Unchanged, Update
from meta_prefect.plan.records import LiveDeployment, desired_record, schedules_to_compare


def next_integer(version: str | None) -> str:
    """The version after a counted one; counting starts at 1, also after a version that is no number."""
    return str(int(version) + 1) if version and version.isdecimal() else "1"


def diff_deployment(
    desired: Deployment, live: LiveDeployment | None, predecessor: LiveDeployment | None = None
) -> Change:
    """Compare a deployment with the live one of the same name.

    Args:
        desired: The deployment as it is wanted.
        live: The live one; None where there is none.
        predecessor: The live one of another name whose place a new one takes.

    Raises:
        ConflictError: The live one belongs to another project, or to nobody and the deploy does not adopt.
    """
    subject = Subject(DEPLOYMENT, desired.full_name)
    remarks = (*(schedule.note for schedule in desired.schedules or () if schedule.note), *unfilled_parameters(desired))
    wanted = desired_record(desired, live)
    if live is None:
        if predecessor is not None:
            _check_ownership(desired, predecessor)
            wanted = {**_set_by_operators(predecessor.record, wanted), **wanted}
            remarks = (*remarks, f"takes the place of {predecessor.full_name}, which is deleted")
        if isinstance(desired.version, VersionRule):
            wanted["version"] = _counted_version(desired, predecessor.record["version"] if predecessor else None)
        return Create(subject, tuple(differences_within(ABSENT, wanted)), wanted, remarks, desired.context.now)

    _check_ownership(desired, live)
    fields = tuple(field_changes(live.record, wanted))
    version = _counted_version(desired, live.record["version"]) if isinstance(desired.version, VersionRule) else None
    counted = version is not None and (bool(fields) or desired.version is not VersionRule.NEXT_ON_CHANGE)
    if counted:
        wanted["version"] = version
        fields += tuple(differences(live.record["version"], version, "version"))
    if not fields:
        return Unchanged(subject, "already as wanted", live.record, remarks)
    return Update(subject, fields, live.record, _after(live.record, wanted), counted, remarks, desired.context.now)


def unfilled_parameters(desired: Deployment) -> Iterator[str]:
    """Say which scheduled runs will fail because a parameter that the flow needs has no value."""
    for schedule in desired.schedules or ():
        if missing := [name for name in desired.open_parameters if name not in schedule.parameters]:
            yield f"runs of {desired.full_name} by its schedule will fail: no value for {', '.join(missing)}"


def _counted_version(desired: Deployment, live_version: str | None) -> str:
    context = desired.context
    if planned := context.versions.get(desired.full_name):
        return planned
    if live_version is not None and not context.next_versions:
        return live_version
    return next_integer(live_version)


def _set_by_operators(live: Record, wanted: Record) -> Record:
    """What operators set on a deployment whose place another one takes, as far as the recipe leaves it to them."""
    kept = {key: live[key] for key in ("paused", "concurrency_limit", "collision_strategy", "work_queue_name")}
    if live["work_pool_name"] != wanted["work_pool_name"]:
        del kept["work_queue_name"]
    if "schedules" not in wanted:
        kept["schedules"] = live["schedules"]
    for key, schedule in wanted.get("schedules", {}).items():
        if key in live["schedules"]:
            schedule.setdefault("active", live["schedules"][key]["active"])
    return {key: value for key, value in kept.items() if value is not None}


def _check_ownership(desired: Deployment, live: LiveDeployment) -> None:
    project = desired.context.project
    where = f"{DEPLOYMENT} {live.full_name}"
    match owner(live.record["tags"]):
        case None if not desired.context.adopt:
            raise ConflictError(
                "there is a deployment of this name that Meta-Prefect does not manage",
                where=where,
                hint="Take it over with --adopt, or choose another name.",
            )
        case str(other) if other != project:
            raise ConflictError(
                f"the live deployment belongs to the project {other!r}, not to {project!r}",
                where=where,
                hint="Choose another name, or delete the live deployment if the project was renamed.",
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


def field_changes(live: Record, wanted: Record) -> Iterable[FieldChange]:
    """Yield where a live record differs from a wanted one in what the wanted one sets."""
    for key, value in wanted.items():
        if key == "schedules":
            yield from differences(schedules_to_compare(live[key], value), value, key)
        else:
            yield from differences(live[key], value, key)


def _after(live: Record, wanted: Record) -> Record:
    """The live record with what is ours replaced; what the operator owns inside a schedule stays."""
    after = {**live, **wanted}
    if "schedules" in wanted:
        after["schedules"] = {
            key: {"active": live["schedules"].get(key, {}).get("active", True), **schedule}
            for key, schedule in wanted["schedules"].items()
        }
    return after


def diff_component(component: Component, live: Record | None) -> Change:
    """Compare a component with what is there.

    Raises:
        ConflictError: What is there cannot be made into what is wanted.
    """
    subject = Subject(*component.key)
    fields = tuple(component.compare(live))
    remarks = tuple(component.remarks(live))
    after: Record = component.model_dump(mode="json", exclude={"name"})
    if live is None:
        return Create(subject, fields, after, remarks)
    if not fields:
        return Unchanged(subject, "already as wanted", live, remarks)
    return Update(subject, fields, live, after, remarks=remarks)
