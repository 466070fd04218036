"""What Prefect's server makes of a deployment that is written to it, rewritten in all the ways in which it rewrites."""

from __future__ import annotations

from typing import Any

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.changes import Create, Subject
from meta_prefect.plan.deployment_record import LiveDeployment, desired_record, live_deployment
from meta_prefect.plan.ledger import LedgerEntry, entry_of
from meta_prefect.testing.stored import stored_answer


def answer(record: Record, **changes: Any) -> Record:
    """The item of ``/deployments/filter`` for a record of ``add/nightly-dev`` that was written, but for some fields."""
    return stored_answer(record, "add", "nightly-dev", **{"id": "1b0c1ab8", **changes})


def stored(deployment: Deployment, **changes: Any) -> LiveDeployment:
    """The live deployment after a deployment was written to an empty server.

    Args:
        deployment: The deployment.
        changes: What is different on the server, in the words of its API.
    """
    record = desired_record(deployment)
    record.setdefault("version", "1")
    return live_deployment(answer(record, **changes), deployment.flow.name)


def stored_again(after: Record) -> LiveDeployment:
    """The live deployment after the record of a change was written."""
    return live_deployment(answer(after), "add")


def last_entry(deployment: Deployment) -> LedgerEntry:
    """What the ledger says once a deployment was created, under the id that its answer has."""
    wanted = desired_record(deployment)
    entry = entry_of(Create(Subject("deployment", deployment.full_name), (), wanted), wanted)
    assert entry is not None
    return entry.model_copy(update={"id": "1b0c1ab8"})
