"""The state of a deployment after its project has disowned it."""

from __future__ import annotations

from collections.abc import Iterable

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.tags import without_owner
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.ledger import LedgerEntry
from meta_prefect.plan.schedule_identity import WITHOUT_SLUG, schedules_of


def disowned_record(live: LiveDeployment, history: Iterable[LedgerEntry]) -> Record:
    """Return a deployment's record without the project's marks: its tag, and the slugs given to schedules without one.

    If all schedules have slugs, Prefect rejects a ``prefect deploy`` whose schedules have none.

    Args:
        live: The deployment.
        history: Its ledger entries.
    """
    records = (record for entry in history for record in (entry.before, entry.after) if record is not None)
    recorded = {key for record in records for key in schedules_of(record)}
    unnamed = {key: f"{WITHOUT_SLUG}{one}" for key, one in live.schedule_ids.items()}
    schedules = schedules_of(live.record)
    return {
        **live.record,
        "tags": without_owner(live.record["tags"]),
        "schedules": {unnamed[key] if unnamed[key] in recorded else key: one for key, one in schedules.items()},
    }
