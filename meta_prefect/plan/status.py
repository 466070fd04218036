"""The status of a deployment: last applied, live and desired state, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from meta_prefect.hidden_values import sealed_as
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record
from meta_prefect.plan.changes import Change, Create, Delete, Held, Offline, Unchanged, Update, is_taken_over
from meta_prefect.plan.deployment_record import field_changes
from meta_prefect.plan.ledger import HistoryEntry
from meta_prefect.plan.ownership import is_ours
from meta_prefect.redaction import hidden, sealed

State = Literal["in sync", "drifted", "outdated", "missing", "not deployed", "unmanaged", "orphan", "held"]
ComponentState = Literal["in sync", "drifted", "outdated", "missing", "not deployed", "leaving", "offline"]
Kind = Literal["drift", "pending", "kept"]


class FieldStatus(BaseModel):
    """A field whose values are not all the same. Missing values are omitted.

    Attributes:
        path: Its path, keys joined by dots.
        kind: ``drift`` if the server differs from what was applied, ``pending`` if the project differs from what was applied,
            ``kept`` if operators have set what the recipe leaves to them.
        applied: Its value after the last deploy; omitted if unknown.
        live: Its value on the server.
        wanted: Its value in the project; omitted if left to operators.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    path: str
    kind: Kind
    applied: Any = None
    live: Any = None
    wanted: Any = None


class DeploymentStatus(BaseModel):
    """The status of one deployment.

    Attributes:
        deployment: ``flow/deployment``.
        state: ``in sync``: a deploy has nothing to do. ``drifted``: the server was changed since the last deploy.
            ``outdated``: the project has changes that are not deployed yet. ``missing``: it was deployed and no longer
            exists. ``not deployed``: it never was. ``unmanaged``: the live one is not managed, and the fields are what taking
            it over would change. ``orphan``: it is live, and no longer in the project. ``held``: it is on hold, whatever
            differs.
        version: Its live version.
        fields: The differing fields.
        applied_at: When it was last deployed.
        applied_by: By whom.
        run_id: The run that did it.
        hold: By whom it is held, until when and why.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    deployment: str
    state: State
    version: str | None = None
    fields: tuple[FieldStatus, ...] = ()
    applied_at: AwareDatetime | None = None
    applied_by: str | None = None
    run_id: str | None = None
    hold: str | None = None

    @property
    def has_drifted(self) -> bool:
        """Whether it was changed or deleted since the last deploy."""
        return self.state in ("drifted", "missing")

    @property
    def is_in_sync(self) -> bool:
        """Whether it is as the project wants it."""
        return self.state == "in sync"

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to do about it: it is in sync, or on hold."""
        return self.state in ("in sync", "held")

    @property
    def drift(self) -> tuple[FieldStatus, ...]:
        """The fields that were changed on the server since the last deploy."""
        return tuple(field for field in self.fields if field.kind == "drift")


class ComponentStatus(BaseModel):
    """The status of a component that deployments need, or needed.

    Attributes:
        kind: Its kind: ``automation``, ``work queue`` and so on.
        name: Its name.
        state: As for a deployment. ``leaving``: no deployment needs it any more, and the next deploy removes it. ``offline``:
            it is otherwise up to date, but runs of dependent deployments would not start.
        fields: The differences from the project.
        needed_by: The deployments that need it.
        remarks: Further remarks.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    kind: str
    name: str
    state: ComponentState
    fields: tuple[FieldStatus, ...] = ()
    needed_by: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def has_drifted(self) -> bool:
        """Whether it was changed or deleted since the last deploy; what is offline may have stopped by itself."""
        return self.state in ("drifted", "missing")

    @property
    def is_in_sync(self) -> bool:
        """Whether it is as the project wants it, even if offline."""
        return self.state in ("in sync", "offline")

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class ProjectStatus(BaseModel):
    """The status of a project in an environment, and the output of ``meta-prefect status --output json``. A stable format.

    Attributes:
        version: The version of the format.
        project: The project.
        environment: The environment.
        in_sync: Whether a deploy would write nothing, apart from counted versions; what is on hold or offline does not matter.
        can_run: Whether nothing that deployments need is offline.
        deployments: Each deployment.
        components: Their components, and those to be removed.
        remarks: Further remarks; omitted if there are none.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    project: str
    environment: str
    in_sync: bool
    can_run: bool = True
    deployments: tuple[DeploymentStatus, ...]
    components: tuple[ComponentStatus, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def drifted(self) -> tuple[DeploymentStatus, ...]:
        """The deployments that were changed or deleted since the last deploy."""
        return tuple(one for one in self.deployments if one.has_drifted)

    @property
    def drifted_components(self) -> tuple[ComponentStatus, ...]:
        """The components that were changed or deleted since the last deploy."""
        return tuple(one for one in self.components if one.has_drifted)

    @property
    def offline(self) -> tuple[ComponentStatus, ...]:
        """The components that are up to date but not running."""
        return tuple(one for one in self.components if one.state == "offline")

    @property
    def to_heal(self) -> tuple[str, ...]:
        """The deployments to deploy so that nothing is drifted any more."""
        needing = (name for one in self.drifted_components for name in one.needed_by)
        return tuple(dict.fromkeys((*(one.deployment for one in self.drifted), *needing)))

    @property
    def in_one_line(self) -> str:
        """``3 of 4 in sync in prod``, and if components are not in sync, ``; of components 5 of 6``; offline ones are counted."""
        held = sum(one.state == "held" for one in self.deployments)
        line = f"{_in_sync(self.deployments)} in sync{f', {held} held' if held else ''} in {self.environment}"
        if not all(one.is_in_sync for one in self.components):
            line += f"; of components {_in_sync(self.components)}"
        return f"{line}; {len(self.offline)} offline" if self.offline else line

    def as_json(self) -> str:
        """Return the JSON document, without missing values."""
        return self.model_dump_json(indent=2, exclude_unset=True)


def _in_sync(those: Sequence[DeploymentStatus | ComponentStatus]) -> str:
    return f"{sum(one.is_in_sync for one in those)} of {len(those)}"


def status_of(change: Change, wanted: Record, last: HistoryEntry | None) -> DeploymentStatus:
    """Compare the applied, live and desired state of one deployment.

    Args:
        change: What a deploy would do with it.
        wanted: The fields that the recipe sets.
        last: Its last ledger entry; None if unknown.
    """
    about: Record = {"deployment": change.subject.name, **_applied(last)}
    match change:
        case Held(otherwise=otherwise, reason=reason) if otherwise is not None:
            found = status_of(otherwise, wanted, last)
            return found.model_copy(update={"state": "held", "hold": reason})
        case Create():
            was_there = last is not None and last.entry.after is not None
            return DeploymentStatus(**about, state="missing" if was_there else "not deployed")
        case Delete(before=live):
            return DeploymentStatus(**about, state="orphan", version=live["version"])
        case Update(before=live) | Unchanged(live=live):
            fields = tuple(_fields(change, live, wanted, last))
            kinds = {field.kind for field in fields}
            state: State = (
                "unmanaged"
                if is_taken_over(change)
                else "drifted"
                if "drift" in kinds
                else "outdated"
                if "pending" in kinds
                else "in sync"
            )
            return DeploymentStatus(**about, state=state, version=live["version"], fields=fields)


def component_status(change: Change, needed_by: Iterable[str], *, as_applied: bool) -> ComponentStatus:
    """Return the status of a component.

    Args:
        change: What a deploy would do with it.
        needed_by: The deployments that need it.
        as_applied: Whether its desired state is the same as in the last deploy, so that differences were made on the server.
    """
    about: Record = {"kind": change.subject.kind, "name": change.subject.name, "needed_by": tuple(needed_by)}
    match change:
        case Create():
            return ComponentStatus(**about, state="missing" if as_applied else "not deployed")
        case Update(fields=fields, remarks=remarks) if all(
            (one.path, one.before) == ("status", "offline") for one in fields
        ):
            return ComponentStatus(**about, state="offline", remarks=(*remarks, "the next deploy starts it"))
        case Update(fields=fields):
            kind: Kind = "drift" if as_applied else "pending"
            found = (
                FieldStatus(
                    path=one.path,
                    kind=kind,
                    **_present(
                        one.path, applied=one.after if as_applied else one.before, live=one.before, wanted=one.after
                    ),
                )
                for one in fields
            )
            return ComponentStatus(**about, state="drifted" if as_applied else "outdated", fields=tuple(found))
        case Delete():
            return ComponentStatus(**about, state="leaving")
        case Unchanged(remarks=remarks):
            is_offline = isinstance(change, Offline)
            return ComponentStatus(**about, state="offline" if is_offline else "in sync", remarks=remarks)


def orphan_status(change: Delete | Unchanged, last: HistoryEntry | None) -> DeploymentStatus:
    """Return the status of a deployment that is no longer in the project."""
    live = change.before if isinstance(change, Delete) else change.live
    about: Record = {"deployment": change.subject.name, "version": live["version"], **_applied(last)}
    if isinstance(change, Held):
        return DeploymentStatus(**about, state="held", hold=change.reason)
    return DeploymentStatus(**about, state="orphan")


def _applied(last: HistoryEntry | None) -> Record:
    if last is None:
        return {}
    return {"applied_at": last.page.at, "applied_by": last.page.by, "run_id": last.page.run_id}


def _fields(
    change: Update | Unchanged, live: Record, wanted: Record, last: HistoryEntry | None
) -> Iterator[FieldStatus]:
    pending = {field.path: field for field in _pending(change)}
    drifted = {field.path: field for field in _drifted(live, wanted, last)}
    for path in dict.fromkeys((*drifted, *pending)):
        to_do, drift = pending.get(path), drifted.get(path)
        if to_do is None and path != "version":
            continue  # the change made it match the project
        now = to_do.before if to_do is not None else drift.before if drift is not None else ABSENT
        applied = drift.after if drift is not None else now if last is not None else ABSENT
        target = to_do.after if to_do is not None else ABSENT
        kind: Kind = "pending" if drift is None else "drift"
        yield FieldStatus(path=path, kind=kind, **_present(path, applied=applied, live=now, wanted=target))
    for path, value in change.kept.items():
        yield FieldStatus(path=path, kind="kept", **_present(path, live=value))


def _pending(change: Update | Unchanged) -> Iterator[FieldChange]:
    """Yield what a deploy would write, ignoring counted versions."""
    if isinstance(change, Update):
        yield from (field for field in change.fields if not (change.counted and field.path == "version"))


def _drifted(live: Record, wanted: Record, last: HistoryEntry | None) -> Iterator[FieldChange]:
    """Yield the differences of our fields from what the last deploy left."""
    if last is None or last.entry.after is None or not last.is_certain:
        return
    applied = {key: value for key, value in last.entry.after.items() if key in last.entry.ours or key == "version"}
    # The ledger contains no secrets, so both sides are compared in their recorded form.
    recorded = sealed(applied)
    for field in field_changes(sealed_as(live, recorded), recorded):
        if field.path == "version" or is_ours(field.path, wanted):
            yield field


def _present(path: str, **values: Any) -> Record:
    return {key: hidden(value, path) for key, value in values.items() if value is not ABSENT}
