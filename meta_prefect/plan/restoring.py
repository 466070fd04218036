"""Going back to what a deployment was."""

from __future__ import annotations

from meta_prefect.errors import ConflictError
from meta_prefect.hidden_values import restored
from meta_prefect.interfaces.records import ABSENT, differences_within
from meta_prefect.interfaces.tags import owner
from meta_prefect.plan.changes import DEPLOYMENT, Create, Subject, Unchanged, Update
from meta_prefect.plan.ledger import Recorded
from meta_prefect.plan.records import LiveDeployment, field_changes

_NO_SECRETS = "the ledger keeps no secrets; deploy the project to set it"


def diff_restored(target: Recorded, live: LiveDeployment | None) -> Create | Update | Unchanged:
    """Compare a deployment with what it was: all of it, what operators set included.

    The ledger keeps no secrets, so those stay as they are; a remark names each that was another one then.

    Args:
        target: What it was.
        live: What it is; None where it is gone, and is to be created again.

    Raises:
        ConflictError: The live one belongs to another project, or to nobody.
    """
    subject = Subject(DEPLOYMENT, target.entry.deployment)
    wanted = target.entry.after
    assert wanted is not None, "a deleted state is never chosen"  # noqa: S101 - for the type checker
    wanted, lost = restored(wanted, None if live is None else live.record)
    remarks = tuple(f"{path} {'is left out' if live is None else 'stays as it is'}: {_NO_SECRETS}" for path in lost)
    if live is None:
        return Create(subject, tuple(differences_within(ABSENT, wanted)), wanted, remarks)
    if (other := owner(live.record["tags"])) != target.page.project:
        raise ConflictError(
            f"the live deployment belongs to {f'the project {other!r}' if other else 'nobody'}, "
            f"not to {target.page.project!r}",
            where=str(subject),
            hint="Roll it back from the project that it belongs to."
            if other
            else "Take it over with `meta-prefect deploy --adopt` first.",
        )
    fields = tuple(field_changes(live.record, wanted))
    if not fields:
        return Unchanged(subject, f"is as it was at {target} already", live.record, remarks)
    return Update(subject, fields, live.record, {**live.record, **wanted}, remarks=remarks)
