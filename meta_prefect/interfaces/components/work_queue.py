"""Work queues."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import ClassVar, Final, Self
from urllib.parse import quote

from pydantic import Field

from meta_prefect.errors import ConflictError, RefusedError
from meta_prefect.interfaces.api import Api, Host, read_all
from meta_prefect.interfaces.components.component import Component, ComponentKey, Owned, Owner
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_within

_MARK: Final = re.compile(r"(\n\n)?(?P<mark>Made by Meta-Prefect for .+)\Z")

_UNFINISHED: Final = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")


class WorkQueue(Component):
    """A queue of a work pool. Anyone may share it as it is; one created for another project is not changed.

    Attributes:
        pool: Its pool; if empty, the deployment's.
        concurrency_limit: How many runs at a time; None leaves it to the operator.
        priority: 1 is served first; None leaves it to the operator.
        description: Text for the UI; None leaves it to the operator.
        project: The project it is created for, from the requiring deployment.
        environment: The environment it is created for.
        former_projects: Former names of this project.
    """

    kind: ClassVar[str] = "work queue"

    pool: str = ""
    concurrency_limit: int | None = Field(default=None, ge=0)
    priority: int | None = Field(default=None, ge=1)
    description: str | None = None
    project: str = ""
    environment: str = ""
    former_projects: tuple[str, ...] = Field(default=(), exclude=True)

    def __hash__(self) -> int:
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        """Compare without the owner, which is not a setting: a component required by another component does not know it."""
        made_for = {"project", "environment", "former_projects"}
        return isinstance(other, WorkQueue) and self.model_dump(exclude=made_for) == other.model_dump(exclude=made_for)

    @property
    def key(self) -> ComponentKey:
        """Queues of different pools may have the same name."""
        return (self.kind, f"{self.pool}/{self.name}")

    def __str__(self) -> str:
        return f"{self.kind} {self.pool}/{self.name}"

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Fill in an empty pool and name from the deployment."""
        pool = self.pool or deployment.work_pool_name or host.pool_name()
        return self.model_copy(
            update={
                "pool": pool,
                "name": self.name or deployment.work_queue_name or "default",
                "project": deployment.context.project,
                "environment": deployment.context.environment,
                "former_projects": deployment.context.renamed_from,
            }
        )

    def _wanted(self) -> Record:
        fields = self.model_dump(include={"concurrency_limit", "priority", "description"})
        return {"name": self.name} | {key: value for key, value in fields.items() if value is not None}

    async def read(self, api: Api) -> Record | None:
        """Read the queue; the owner's mark is stripped from its description."""
        found: Record | None = await api.get(f"{_queues(self.pool)}{quote(self.name)}")
        if found is None:
            return None
        description, mark = _parted(found.get("description") or "")
        return {**found, "description": description, "mark": mark}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare the fields that are set.

        Raises:
            ConflictError: It needs a change, but was created for another project.
        """
        changes = tuple(differences_within(ABSENT if live is None else live, self._wanted()))
        names = (self.project, *self.former_projects)
        mark: str = (live or {}).get("mark", "")
        if changes and mark and self.project and not any(mark.startswith(_mark(name)) for name in names):
            asked = ", ".join(f"{change.path} {change.after!r} (it is {change.before!r})" for change in changes)
            raise ConflictError(
                f"it was made for another project, and this one asks for {asked} (its description says: {mark})",
                where=str(self),
                hint="Leave that to the other project, or take another name.",
            )
        return changes

    async def write(self, api: Api, live: Record | None) -> None:
        """Create the queue with the owner's mark, or send the fields that are set."""
        body = self._wanted()
        if live is None:
            mark = _mark(self.project, self.environment) if self.project else ""
            if self.description or mark:
                body["description"] = _joined(self.description or "", mark)
            await api.post(_queues(self.pool), body)
            return
        if "description" in body:
            body["description"] = _joined(body["description"], live["mark"])
        await api.patch(f"{_queues(self.pool)}{quote(self.name)}", body)

    @classmethod
    async def owned(cls, owner: Owner, api: Api) -> Iterable[Owned]:
        """Find the queues in the project's pools that a deploy created for it and that still carry the mark."""
        marks = {_mark(name, owner.environment) for name in owner.names}
        of_pools = await asyncio.gather(*(_queues_of(pool, api) for pool in owner.pools))
        made = [
            (pool, one)
            for pool, queues in zip(owner.pools, of_pools, strict=True)
            for one in queues
            if _parted(one.get("description") or "")[1] in marks
        ]
        users = await _users([one["name"] for _, one in made], api) if made else {}
        return [
            Owned(cls, (cls.kind, f"{pool}/{one['name']}"), one["id"], users.get((pool, one["name"]), frozenset()), one)
            for pool, one in made
        ]

    @classmethod
    async def remove(cls, owned: Owned, api: Api) -> bool:
        """Delete it unless a deployment uses it by now or runs are waiting in it, which nothing would start any more."""
        pool, _, name = owned.key[1].partition("/")
        there: Record = {"work_pools": {"name": {"any_": [pool]}}, "work_pool_queues": {"name": {"any_": [name]}}}
        unfinished: Record = {"flow_runs": {"state": {"type": {"any_": list(_UNFINISHED)}}}}
        if (pool, name) in await _users([name], api) or await api.post("/flow_runs/count", {**there, **unfinished}):
            return False
        await api.delete(f"{_queues(pool)}{quote(name)}")
        return True


def _queues(pool: str) -> str:
    return f"/work_pools/{quote(pool)}/queues/"


async def _queues_of(pool: str, api: Api) -> list[Record]:
    try:
        return await read_all(api, f"{_queues(pool)}filter", {})
    except RefusedError:
        return []  # the pool no longer exists


async def _users(names: list[str], api: Api) -> dict[tuple[str, str], frozenset[str]]:
    """Return the ids of the deployments that use queues of these names, by pool and queue."""
    using = {"deployments": {"work_queue_name": {"any_": sorted(set(names))}}}
    found: dict[tuple[str, str], frozenset[str]] = {}
    for one in await read_all(api, "/deployments/filter", using):
        key = (one["work_pool_name"], one["work_queue_name"])
        found[key] = found.get(key, frozenset()) | {one["id"]}
    return found


def _mark(project: str, environment: str | None = None) -> str:
    """Return the suffix (or the start of it) that marks a description as ours: queues have no tags."""
    return f"Made by Meta-Prefect for {project} in " + (f"{environment}." if environment is not None else "")


def _parted(description: str) -> tuple[str, str]:
    """Split a description into its text and the mark at its end."""
    found = _MARK.search(description)
    return (description, "") if found is None else (description[: found.start()], found["mark"])


def _joined(description: str, mark: str) -> str:
    return "\n\n".join(filter(None, (description, mark)))
