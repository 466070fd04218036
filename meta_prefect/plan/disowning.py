"""What a deployment is once its project has given it up."""

from __future__ import annotations

from collections.abc import Iterable

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.tags import without_owner
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.ledger import LedgerEntry
from meta_prefect.plan.schedule_identity import WITHOUT_SLUG, schedules_of


def given_up(live: LiveDeployment, history: Iterable[LedgerEntry]) -> Record:
    """The record of a deployment without the project's mark: its tag, and the slugs that it gave to schedules that had none.

    With slugs on all schedules, Prefect refuses a ``prefect deploy`` that knows none.

    Args:
        live: The deployment.
        history: What was written of it.
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
