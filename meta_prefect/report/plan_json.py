"""The JSON document of a plan, printed by ``meta-prefect plan --output json``. A stable format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field

from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, differences_by_name
from meta_prefect.plan.changes import (
    DEPLOYMENT,
    Change,
    Create,
    Delete,
    Held,
    Plan,
    ScheduledRuns,
    Unchanged,
    Update,
    fields_of,
    kept_of,
)
from meta_prefect.plan.outcomes import Action as Outcome
from meta_prefect.plan.outcomes import count_actions
from meta_prefect.redaction import hidden
from meta_prefect.report.next_runs import NextRuns, next_fires

Action = Literal["create", "update", "next version", "unchanged", "held", "delete"]


_IN_WORDS: Final[Mapping[Action, Outcome]] = {"create": "to create", "update": "to update", "delete": "to delete"}
"""The words under which planned actions are counted; others are counted under their own name."""


class FieldDocument(BaseModel):
    """One differing field.

    Attributes:
        path: The field's path, keys joined by dots.
        before: Its value on the server; omitted if there is none.
        after: Its future value; omitted if it is removed. Secrets are masked: ``(hidden)``.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    path: str
    before: Any = None
    after: Any = None


class ChangeDocument(BaseModel):
    """What happens to one object.

    Attributes:
        kind: ``deployment``, or a component's kind.
        name: Its name; for a deployment ``flow/deployment``.
        action: What is done. ``next version`` is an update of nothing but a counted version. ``held`` means that nothing is
            done because of a hold.
        fields: The differing fields, also if it is held.
        scheduled_runs: Whether runs already created by its schedules are kept, recreated or deleted; kept if there are none.
        kept: Operators' settings that are kept because the recipe does not set them, by field path.
        takes_over: Whether it is unmanaged so far, so that only a deploy with ``--adopt`` writes it; otherwise omitted.
        next_fires: The next runs of each affected schedule, before and after; omitted if there are none.
        detail: Why nothing is done, or why it is deleted.
        remarks: Further remarks.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    kind: str
    name: str
    action: Action
    fields: tuple[FieldDocument, ...] = ()
    scheduled_runs: ScheduledRuns | None = None
    kept: dict[str, Any] = {}
    takes_over: bool = False
    next_fires: tuple[NextRuns, ...] = ()
    detail: str = ""
    remarks: tuple[str, ...] = ()


class PlanDocument(BaseModel):
    """A complete plan.

    Attributes:
        version: The version of the format.
        has_changes: Whether the server differs from the project, ignoring counted versions.
        run_id: The run that made it, for ``meta-prefect deploy --plan``; omitted if there was no server to plan against.
        changes: Everything that was compared.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = Field(default=1)
    has_changes: bool = False
    run_id: str | None = None
    changes: tuple[ChangeDocument, ...] = ()

    def count(self) -> str:
        """``2 to create, 1 to update, 3 unchanged``: everything that was compared, including components."""
        return count_actions(_IN_WORDS.get(change.action, change.action) for change in self.changes) or "nothing"

    def count_components(self) -> str:
        """``1 to create, 1 to delete``: the changes to components; empty if there are none."""
        actions = (change.action for change in self.changes if change.kind != DEPLOYMENT)
        return count_actions(_IN_WORDS[action] for action in actions if action in _IN_WORDS)

    def as_json(self) -> str:
        """Return the JSON document, without missing values."""
        return self.model_dump_json(indent=2, exclude_unset=True)


def document(plan: Plan, run_id: str | None = None) -> PlanDocument:
    """Convert a plan to a document.

    Args:
        plan: The plan.
        run_id: The run that made it.
    """
    run = {} if run_id is None else {"run_id": run_id}
    changes = tuple(change_document(change) for change in plan)
    return PlanDocument(version=1, has_changes=bool(plan.changes), changes=changes, **run)


def change_document(change: Change) -> ChangeDocument:
    """Convert a change to a document."""
    is_deployment = change.subject.kind == DEPLOYMENT
    common: dict[str, Any] = {"kind": change.subject.kind, "name": change.subject.name, "remarks": change.remarks}
    if kept := kept_of(change):
        common["kept"] = {path: hidden(value, path) for path, value in kept.items()}
    if fires := tuple(next_fires(change)):
        common["next_fires"] = fires
    match change:
        case Create(fields=fields):
            return ChangeDocument(**common, action="create", fields=_fields(fields))
        case Update(fields=fields, only_counts=counts):
            runs: dict[str, Any] = {"scheduled_runs": change.scheduled_runs} if is_deployment else {}
            if change.takes_over is not None:
                runs["takes_over"] = True
            return ChangeDocument(
                **common, action="next version" if counts else "update", fields=_fields(fields), **runs
            )
        case Held(reason=reason, otherwise=otherwise):
            fields = _fields(fields_of(otherwise))
            return ChangeDocument(**common, action="held", fields=fields, detail=reason, scheduled_runs="kept")
        case Unchanged(reason=reason):
            runs = {"scheduled_runs": "kept"} if is_deployment else {}
            return ChangeDocument(**common, action="unchanged", detail=reason, **runs)
        case Delete(reason=reason):
            runs = {"scheduled_runs": "deleted"} if is_deployment else {}
            reasons = {"detail": reason} if reason else {}
            return ChangeDocument(**common, action="delete", **reasons, **runs)
        case _:
            assert_never(change)


def _fields(fields: tuple[FieldChange, ...]) -> tuple[FieldDocument, ...]:
    """Convert differing fields; lists of named objects item by item, or as a whole if only their order differs."""
    parts = (
        part
        for field in fields
        for part in (tuple(differences_by_name(field.before, field.after, field.path)) or (field,))
    )
    return tuple(FieldDocument(path=part.path, **dict(_values(part))) for part in parts)


def _values(field: FieldChange) -> Iterator[tuple[str, Any]]:
    for name, value in (("before", field.before), ("after", field.after)):
        if value is not ABSENT:
            yield name, hidden(value, field.path)
