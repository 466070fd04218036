"""What a deployment needs beside itself: work pools, workers, queues, limits.

A component is data, keyed by kind and name: the same one asked for twice is there once, different settings under one key are
a conflict. A kind also says how it is read, compared and written through the :class:`~meta_prefect.interfaces.api.Api` that
it is handed. The set is open: a subclass of :class:`Component` in any package is deployed like the ones here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, field_validator

from meta_prefect.errors import ConflictError, ProcessError
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.deployment import REFUSED_CHARACTERS, Deployment
from meta_prefect.interfaces.records import ABSENT, FieldChange, Record, differences_within, merged

ComponentKey = tuple[str, str]


class Component(BaseModel, ABC):
    """Something that must exist on the server, or run, before a deployment can be used.

    Attributes:
        kind: What it is, in Prefect's words; also shown in plans and run names.
        verbs: What a report says of one that was not there, and of one that was.
        after_deployments: Whether it is written after the deployments, because it refers to them.
        name: Its name, unique within the kind. It may be left empty where :meth:`completed` can fill it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    verbs: ClassVar[tuple[str, str]] = ("created", "updated")
    after_deployments: ClassVar[bool] = False

    name: str = ""

    @field_validator("name")
    @classmethod
    def _prefect_accepts(cls, name: str) -> str:
        if refused := sorted(set(name) & set(REFUSED_CHARACTERS)):
            raise ValueError(f"{name!r} holds {' '.join(refused)}, which Prefect refuses in names")
        return name

    @property
    def key(self) -> ComponentKey:
        """What makes two descriptions mean the same component."""
        return (self.kind, self.name)

    def __hash__(self) -> int:
        # Each class below repeats this, as type checkers take a pydantic model for one that cannot be hashed.
        return hash(self.key)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def requires(self) -> Iterable[Component]:
        """Components that must be written before this one."""
        return ()

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Return this component with what was left open taken from the deployment that needs it, or from this host."""
        del deployment, host
        return self

    @abstractmethod
    async def read(self, api: Api) -> Record | None:
        """Read how it is now; None where it is not there."""

    @abstractmethod
    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Say what has to change. Pure.

        Raises:
            ConflictError: What is there cannot, or must not, be made into what is wanted.
        """

    @abstractmethod
    async def write(self, api: Api, live: Record | None) -> None:
        """Make it as described. ``live`` is what :meth:`read` returned."""

    async def wait_until_ready(self, api: Api) -> None:
        """Wait until it does its work; runs beside the writing of deployments."""
        del api

    def remarks(self, live: Record | None) -> Iterable[str]:
        """What whoever deploys should know, beyond the changes."""
        del live
        return ()


OWNERSHIP_MARK = "x-meta-prefect"
"""A key in the template's variable schema of each pool that a deploy created: such a pool may be written again."""


class WorkerPool(Component):
    """A work pool.

    Attributes:
        name: Left empty, it is the deployment's pool, else this host's own process pool.
        type: The type of worker that serves it: ``process``, ``kubernetes``, ``docker``, ``ecs``.
        description: Text for the UI; None leaves it to the operator.
        concurrency_limit: How many runs at a time over all its queues; None leaves it to the operator.
        template: What to add to Prefect's own job template for the type, merged key by key. The rest of the template is
            not compared.
    """

    kind: ClassVar[str] = "work pool"
    __hash__ = Component.__hash__

    type: str = "process"
    description: str | None = None
    concurrency_limit: int | None = Field(default=None, ge=0)
    template: Record = {}

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Name a nameless pool."""
        if self.name:
            return self
        return self.model_copy(update={"name": deployment.work_pool_name or host.pool_name()})

    async def read(self, api: Api) -> Record | None:
        """Read the pool."""
        return await api.get(f"/work_pools/{quote(self.name)}")

    def _wanted(self) -> Record:
        wanted: Record = {"type": self.type}
        if self.template:
            wanted["base_job_template"] = self.template
        if self.description is not None:
            wanted["description"] = self.description
        if self.concurrency_limit is not None:
            wanted["concurrency_limit"] = self.concurrency_limit
        return wanted

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare the fields that are set, and of the template what this component adds."""
        if live is None:
            return differences_within(ABSENT, self._wanted())
        if live["type"] != self.type:
            raise ConflictError(
                f"the live pool is of type {live['type']!r}, the recipe wants {self.type!r}; a pool cannot change its type",
                where=str(self),
                hint="Choose another pool name, or delete the live pool.",
            )
        changes = tuple(differences_within(live, self._wanted()))
        if changes and not self._is_ours(live):
            missing = ", ".join(change.path for change in changes)
            raise ConflictError(
                f"Meta-Prefect did not create this pool and will not change it, but the recipe needs {missing}",
                where=str(self),
                hint="Change the pool by hand, or choose another pool name.",
            )
        return changes

    @staticmethod
    def _is_ours(live: Record) -> bool:
        template: Record = live.get("base_job_template") or {}
        variables: Record = template.get("variables") or {}
        return OWNERSHIP_MARK in variables

    async def write(self, api: Api, live: Record | None) -> None:
        """Create the pool with Prefect's template and our additions, or send what differs."""
        template = await self.template_to_be(api, live)
        if live is None:
            mark: Record = {"variables": {OWNERSHIP_MARK: {"created_by": "meta-prefect"}}}
            body = {"name": self.name, **self._wanted(), "base_job_template": merged(template, mark)}
            await api.post("/work_pools/", body)
            return
        body = {key: value for key, value in self._wanted().items() if key != "type"}
        if self.template:
            body["base_job_template"] = template
        await api.patch(f"/work_pools/{quote(self.name)}", body)

    async def template_to_be(self, api: Api, live: Record | None) -> Record:
        """The job template that the pool will have.

        A pool without a template holds ``{}``, which switches off every check of job variables: it never stays so.
        """
        own = (live or {}).get("base_job_template") or await api.base_job_template(self.type)
        return merged(own, self.template)


class Worker(Component):
    """A worker that serves a pool. On a process pool one is started on this host; for others it is only looked for.

    Attributes:
        name: Left empty, this host's name for a worker of that pool.
        pool: The pool it serves; left empty, the deployment's.
        type: The pool's type.
    """

    kind: ClassVar[str] = "worker"
    verbs: ClassVar[tuple[str, str]] = ("started", "started")
    __hash__ = Component.__hash__

    pool: str = ""
    type: str = "process"

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Name the pool, and a nameless worker after host and pool."""
        pool = self.pool or deployment.work_pool_name or host.pool_name()
        return self.model_copy(update={"pool": pool, "name": self.name or host.worker_name(pool)})

    async def read(self, api: Api) -> Record | None:
        """Find out whether a worker of the pool is alive; always a record, as a worker that is gone leaves no trace."""
        online = await self._fresh_workers(api)
        ours = self.type == "process" and api.host.worker_is_alive(self.pool)
        # A killed worker looks online for a minute more: of our own worker the process itself is the better witness.
        others = [name for name in online if name != self.name]
        return {
            "status": "online" if others or (ours and self.name in online) else "offline",
            "process": ours,
            "refusal": api.host.refusal() if self.type == "process" else f"a {self.type} worker does not run here",
        }

    async def _fresh_workers(self, api: Api) -> list[str]:
        if await api.get(f"/work_pools/{quote(self.pool)}") is None:
            return []
        found: list[dict[str, Any]] = await api.post(f"/work_pools/{quote(self.pool)}/workers/filter", {})
        return [worker["name"] for worker in found if _is_fresh(worker)]

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """A worker that is not alive is a change, unless none may be started here."""
        if live is None or (live["status"] == "offline" and live["refusal"] is None):
            return (FieldChange("status", "offline", "online"),)
        return ()

    def remarks(self, live: Record | None) -> Iterable[str]:
        """Say what to run where no worker may be started."""
        if live is not None and live["status"] == "offline" and live["refusal"] is not None:
            command = f"prefect worker start -p {self.pool} -t {self.type}"
            yield f"no worker of work pool {self.pool} is online, and none is started ({live['refusal']}): run `{command}`"

    async def write(self, api: Api, live: Record | None) -> None:
        """Start a worker process on this host; it outlives the deploy."""
        del live
        await api.host.start_worker(self.pool)

    async def wait_until_ready(self, api: Api) -> None:
        """Wait for the first heartbeat.

        Raises:
            ProcessError: The process ended, or sent no heartbeat within 90 seconds; the message names its log.
        """
        import anyio

        deadline = anyio.current_time() + 90
        while self.name not in await self._fresh_workers(api):
            if not api.host.worker_is_alive(self.pool):
                raise self._did_not_start(api, "ended before its first heartbeat")
            if anyio.current_time() > deadline:
                raise self._did_not_start(api, "sent no heartbeat within 90 seconds")
            await anyio.sleep(0.25)

    def _did_not_start(self, api: Api, what: str) -> ProcessError:
        log = api.host.worker_log(self.pool)
        return ProcessError(f"the worker process {what}", where=str(self), hint=f"Its log: {log}")


def _is_fresh(worker: dict[str, Any]) -> bool:
    """Whether a worker has been heard of within twice its heartbeat interval (Prefect says ONLINE for 90 seconds)."""
    if worker.get("status") != "ONLINE" or not worker.get("last_heartbeat_time"):
        return False
    heard = datetime.fromisoformat(worker["last_heartbeat_time"])
    interval = worker.get("heartbeat_interval_seconds") or 30
    return (datetime.now(UTC) - heard).total_seconds() < 2 * interval


class WorkQueue(Component):
    """A queue of a work pool.

    Attributes:
        pool: The pool it belongs to; left empty, the deployment's.
        concurrency_limit: How many runs at a time; None leaves it to the operator.
        priority: 1 is served first; None leaves it to the operator.
        description: Text for the UI; None leaves it to the operator.
    """

    kind: ClassVar[str] = "work queue"
    __hash__ = Component.__hash__

    pool: str = ""
    concurrency_limit: int | None = Field(default=None, ge=0)
    priority: int | None = Field(default=None, ge=1)
    description: str | None = None

    @property
    def key(self) -> ComponentKey:
        """Queues of different pools may have the same name."""
        return (self.kind, f"{self.pool}/{self.name}")

    def __str__(self) -> str:
        return f"{self.kind} {self.pool}/{self.name}"

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Take pool and name from the deployment where they are left empty."""
        pool = self.pool or deployment.work_pool_name or host.pool_name()
        return self.model_copy(update={"pool": pool, "name": self.name or deployment.work_queue_name or "default"})

    def _wanted(self) -> Record:
        fields = self.model_dump(include={"concurrency_limit", "priority", "description"})
        return {"name": self.name} | {key: value for key, value in fields.items() if value is not None}

    async def read(self, api: Api) -> Record | None:
        """Read the queue."""
        return await api.get(f"/work_pools/{quote(self.pool)}/queues/{quote(self.name)}")

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare the fields that are set."""
        return differences_within(ABSENT if live is None else live, self._wanted())

    async def write(self, api: Api, live: Record | None) -> None:
        """Create the queue, or send what is set."""
        queues = f"/work_pools/{quote(self.pool)}/queues/"
        if live is None:
            await api.post(queues, self._wanted())
        else:
            await api.patch(f"{queues}{quote(self.name)}", self._wanted())


class GlobalConcurrencyLimit(Component):
    """A global concurrency limit, for use with ``prefect.concurrency``.

    Attributes:
        limit: How many slots there are.
        active: Whether it limits anything; None leaves it to the operator.
        slot_decay_per_second: How many slots become free each second, for a rate limit; None leaves it to the operator.
    """

    kind: ClassVar[str] = "concurrency limit"
    __hash__ = Component.__hash__

    limit: int = Field(default=1, ge=0)
    active: bool | None = None
    slot_decay_per_second: float | None = Field(default=None, ge=0)

    def _wanted(self) -> Record:
        fields = self.model_dump(include={"name", "limit", "active", "slot_decay_per_second"})
        return {key: value for key, value in fields.items() if value is not None}

    async def read(self, api: Api) -> Record | None:
        """Read the limit."""
        return await api.get(f"/v2/concurrency_limits/{quote(self.name)}")

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare the fields that are set."""
        return differences_within(ABSENT if live is None else live, self._wanted())

    async def write(self, api: Api, live: Record | None) -> None:
        """Create the limit, or send what is set."""
        if live is None:
            await api.post("/v2/concurrency_limits/", self._wanted())
        else:
            await api.patch(f"/v2/concurrency_limits/{quote(self.name)}", self._wanted())
