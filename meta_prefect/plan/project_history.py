"""The deploys of a project, assembled from the pages of its ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from meta_prefect.interfaces.approval import Approval
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.plan.ledger import PUT_BACK, StoredPage
from meta_prefect.plan.outcomes import NAMED, listed


class ProjectDeploy(BaseModel):
    """What one deploy wrote, and an item of the output of ``meta-prefect history --project --output json``. A stable format.

    Attributes:
        at: When it began to write.
        environment: The environment.
        server: The URL of its Prefect API; None if unknown.
        commit: The commit, with ``+dirty`` for uncommitted changes.
        by: By whom.
        approval: The approval, if one was required.
        promoted_from: The environment it was promoted from, if any.
        actions: How many deployments it created, updated and so on.
        put_back: How many of these were restored because the deploy failed.
        deployments: Their names.
        run_id: The run.
        certain: Whether it recorded what it really wrote.
        doubt: Why its record does not count; None if it does.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    environment: str
    server: str | None = None
    commit: str | None = None
    by: str
    approval: Approval | None = None
    promoted_from: str | None = None
    actions: dict[str, int] = {}
    put_back: int = 0
    deployments: tuple[str, ...] = ()
    run_id: str | None = None
    certain: bool = True
    doubt: str | None = None

    @property
    def cells(self) -> tuple[str, str, str, str, str, str]:
        """When, where, from which commit, by whom, approved by whom and what, as text; the time is in UTC."""
        where = f"{self.environment}{f' from {self.promoted_from}' if self.promoted_from else ''}"
        what = ", ".join(f"{number} {action}" for action, number in self.actions.items())
        notes = [
            *([f"{self.put_back} put back"] if self.put_back else []),
            *([] if self.certain else ["interrupted"]),
            *([f"does not count: {self.doubt}"] if self.doubt else []),
        ]
        told = f" ({'; '.join(notes)})" if notes else ""
        few = len(self.deployments) <= NAMED + 1
        what = f"{what}{told}: {listed(self.deployments, NAMED if few else 1)}"
        approved = "" if self.approval is None else str(self.approval).removeprefix("approved by ")
        return (
            f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}",
            where,
            short_commit(self.commit or ""),
            self.by,
            approved,
            what,
        )


COLUMNS = ("When", "Environment", "Commit", "By", "Approved by", "What")
"""The column titles of the cells."""


def deploys_of(pages: Iterable[StoredPage], server: str | None = None) -> list[ProjectDeploy]:
    """Combine the pages of each deploy, newest first.

    Args:
        pages: Pages of a ledger.
        server: Their server.
    """
    deploys: dict[tuple[str, str], list[StoredPage]] = {}
    for stored in pages:
        if stored.page.entries:
            deploys.setdefault((stored.page.deploy_id, stored.page.environment), []).append(stored)
    found = [_deploy(parts, server) for parts in deploys.values()]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _deploy(parts: Sequence[StoredPage], server: str | None) -> ProjectDeploy:
    first = min(parts, key=lambda one: one.page.at).page
    entries = [entry for stored in parts for entry in stored.page.entries]
    doubts = [str(stored.doubt) for stored in parts if stored.doubt is not None]
    return ProjectDeploy(
        at=first.at,
        environment=first.environment,
        server=server,
        commit=first.commit,
        by=first.by,
        approval=first.approval,
        promoted_from=first.promoted_from,
        actions=dict(Counter(entry.action for entry in entries)),
        put_back=sum(len(stored.page.entries) for stored in parts if stored.page.recipe == PUT_BACK),
        deployments=tuple(dict.fromkeys(entry.deployment for entry in entries)),
        run_id=first.run_id,
        certain=all(stored.page.finished for stored in parts),
        doubt=doubts[0] if doubts else None,
    )
