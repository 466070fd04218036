"""Remembers what was healed when, so that two deployers in conflict do not undo each other's changes forever."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.markdown import code
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.times import Moment
from meta_prefect.plan.soundness import sound_or_named
from meta_prefect.server import PrefectServer

MOST_HEALS: Final = 3
"""How often a deployment may be healed within an hour."""

_WITHIN: Final = timedelta(hours=1)
_TYPE: Final = "heals"


class Heals(BaseModel):
    """When deployments were healed, by ``flow/deployment``; entries older than an hour are dropped."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    project: str
    environment: str
    at: dict[str, tuple[Moment, ...]] = {}

    def may_heal(self, deployment: str, now: datetime) -> bool:
        """Return whether a deployment may be healed once more."""
        return len(self._recent(deployment, now)) < MOST_HEALS

    def with_heals(self, deployments: Iterable[str], now: datetime) -> Heals:
        """Return a copy that records the deployments as healed now."""
        at = {name: recent for name in self.at if (recent := self._recent(name, now))}
        at |= {name: (*at.get(name, ()), now) for name in deployments}
        return self.model_copy(update={"at": at})

    def _recent(self, deployment: str, now: datetime) -> tuple[datetime, ...]:
        return tuple(one for one in self.at.get(deployment, ()) if now - one < _WITHIN)


def _key(project: str, environment: str) -> str:
    return artifact_key(f"heals-{project}-{environment}")


async def read_heals(project: str, environment: str, server: PrefectServer) -> Heals:
    """Read the recent heals of a project and environment."""
    nothing = Heals(project=project, environment=environment)
    # Not `/artifacts/{key}/latest`: it returns the time of the key's first artifact with the run of the last.
    asked: Record = {"artifacts": {"key": {"any_": [_key(project, environment)]}}, "limit": 1, "sort": "CREATED_DESC"}
    stored: list[Record] = await server.post("/artifacts/filter", asked)
    if not stored:
        return nothing
    (newest,) = stored
    found = sound_or_named(Heals, newest, "list of heals", server.unsound, (project,))
    (doubt,) = await server.doubts_about([(newest.get("flow_run_id"), "", newest)])
    if found is None or doubt is not None or (found.project, found.environment) != (project, environment):
        return nothing
    return found


async def store_heals(heals: Heals, server: PrefectServer) -> None:
    """Store the heals as a new artifact."""
    names = ", ".join(code(name) for name in heals.at)
    await server.create_artifact(
        {
            "type": _TYPE,
            "key": _key(heals.project, heals.environment),
            "description": f"Data of `check-drift`: what was healed within the last hour, which is {names}.",
            "data": heals.model_dump(mode="json"),
        }
    )
