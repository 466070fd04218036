"""The status of an environment of a project, in one line."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.times import about
from meta_prefect.plan.ledger import LedgerPage
from meta_prefect.plan.outcomes import counted
from meta_prefect.plan.previews import expiry_in_words
from meta_prefect.plan.status import ProjectStatus

State = Literal["empty", "in sync", "drifted", "outdated", "not described", "unknown"]


class EnvironmentStatus(BaseModel):
    """The status of an environment, and an item of the output of ``meta-prefect environments --output json``. A stable format.

    Attributes:
        environment: Its name.
        server: The URL of its Prefect API; None if there is none.
        profile: The Prefect profile for that API, if the project names one.
        state: ``empty``: it contains nothing of the project. ``in sync``: a deploy would write nothing. ``drifted``: the
            server was changed since the last deploy. ``outdated``: the project has changes that are not deployed yet. ``not
            described``: the project file describes other environments, and not this one. ``unknown``: it could not be
            determined.
        deployments: How many deployments the project has there.
        drifted: The names of those that have drifted.
        deployed_at: When it was last deployed.
        deployed_by: By whom.
        commit: From which commit.
        run_id: The run that did it.
        since: When a preview was first deployed.
        expires: When a preview is destroyed.
        protected: Whether it is protected from being destroyed.
        problem: Why its state is unknown.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    environment: str
    server: str | None = None
    profile: str | None = None
    state: State
    deployments: int = 0
    drifted: tuple[str, ...] = ()
    deployed_at: AwareDatetime | None = None
    deployed_by: str | None = None
    commit: str | None = None
    run_id: str | None = None
    since: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    protected: bool = False
    problem: str | None = None

    def cells(self, now: datetime) -> tuple[str, str, str, str, str]:
        """Return its name, state, last deploy, commit and server, as text."""
        state = f"{len(self.drifted)} of {self.deployments} drifted" if self.drifted else self.state
        if self.deployments and not self.drifted:
            state = f"{counted(self.deployments, 'deployment')}, {state}"
        if self.expires is not None and self.since is not None:
            state += f", {about(now - self.since)} old, {expiry_in_words(self.expires, now)}"
        at = ""
        if self.deployed_at is not None:
            at = f"{about(now - self.deployed_at)} ago by {self.deployed_by}"
        profile = f" (profile {self.profile})" if self.profile else ""
        return self.environment, state, at, short_commit(self.commit or ""), f"{self.server or 'no server'}{profile}"


def state_of(found: ProjectStatus | None, deployments: int) -> tuple[State, tuple[str, ...]]:
    """Return the state of an environment, and which of its deployments have drifted.

    Args:
        found: The project's status there; None if the project does not describe the environment.
        deployments: How many deployments it has there.
    """
    if found is None:
        return "not described", ()
    drifted = (*(one.deployment for one in found.drifted), *map(str, found.drifted_components))
    if drifted:
        return "drifted", drifted
    if not deployments:
        return "empty", ()
    return ("in sync" if found.in_sync else "outdated"), ()


def last_deploy(page: LedgerPage | None) -> dict[str, object]:
    """Return the fields of an environment's status about its last deploy."""
    if page is None:
        return {}
    return {"deployed_at": page.at, "deployed_by": page.by, "commit": page.commit, "run_id": page.run_id}
