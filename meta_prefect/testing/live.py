"""A simulated Prefect server whose contents a test defines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from meta_prefect.implementations.code.built_image import BuiltImage
from meta_prefect.implementations.code.s3 import UploadedCode
from meta_prefect.implementations.infra.kubernetes_worker import KubernetesWorker
from meta_prefect.interfaces.components import Component, Worker, WorkerPool
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.tags import Names, environment_tag, owner_tags
from meta_prefect.plan.deployment_record import LiveDeployment, live_deployment
from meta_prefect.plan.holds import StoredHold
from meta_prefect.plan.ledger import HistoryEntry
from meta_prefect.testing.deployments import ReadyDeployment
from meta_prefect.testing.in_memory import InMemoryApi, InMemoryHost
from meta_prefect.testing.stored import answer_for

__all__ = ["Live"]

_ELSEWHERE: Final = (BuiltImage, UploadedCode, KubernetesWorker)
"""Components that do not exist on the server, and so are not written here."""

_RELATED: Final = "/automations/related-to/prefect.deployment."


class Live(InMemoryApi):
    """A server with deployments in the state that deploys left them in, and with the components they require.

    Args:
        deployments: Deployments, for example from :func:`~meta_prefect.testing.deployment_of`.
        pools: Work pools created by others, by name: the worker type, or a record with ``type`` and ``base_job_template``.
            Each has a worker online.
        blocks: Saved blocks, as ``<block type>/<name>``.
        variables: The names of Prefect variables.
        changed: Changes made by hand, by ``flow/deployment``, in the field names of Prefect's API.
        host: The host that runs the deploy.
    """

    is_empty = False
    unsound: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        *deployments: Deployment,
        pools: Mapping[str, str | Record] = MappingProxyType({}),
        blocks: Iterable[str] = (),
        variables: Iterable[str] = (),
        changed: Mapping[str, Record] = MappingProxyType({}),
        host: InMemoryHost | None = None,
    ) -> None:
        super().__init__(host)
        self._blocks = {(kind, name) for kind, _, name in (block.partition("/") for block in blocks)}
        self._variables = set(variables)
        self._deployments: dict[str, LiveDeployment] = {}
        for name, said in pools.items():
            record = {"type": said} if isinstance(said, str) else said
            self.objects[f"/work_pools/{name}"] = {"name": name, **record}
            self._serve(name, f"worker of {name}")
        for one in deployments:
            answer = answer_for(one) | changed.get(one.full_name, {})
            live = live_deployment(answer, one.flow.name)
            self._deployments[live.full_name] = live
            self.objects.update({f"/deployments/{live.id}": answer, f"/deployments/name/{live.full_name}": answer})
        components = [each for one in deployments if isinstance(one, ReadyDeployment) for each in one.components]
        asyncio.run(self._write(components))
        self.sent.clear()

    async def _write(self, components: Iterable[Component]) -> None:
        for one in sorted(components, key=lambda each: each.after_deployments):
            if isinstance(one, _ELSEWHERE) or (isinstance(one, WorkerPool) and await one.read(self) is not None):
                continue
            await one.write(self, None)
            if isinstance(one, Worker):
                self._serve(one.pool, one.name)

    def _serve(self, pool: str, name: str) -> None:
        heard = datetime.now(UTC).isoformat()
        self.workers.setdefault(pool, []).append({"name": name, "status": "ONLINE", "last_heartbeat_time": heard})

    async def get(self, path: str) -> Any:
        """Read one object."""
        if path.startswith(_RELATED):
            automations = await self.post("/automations/filter")
            return [one for one in automations if path.removeprefix(_RELATED) in json.dumps(one, default=str)]
        return await super().get(path)

    async def read_deployments(self, names: Iterable[tuple[str, str]]) -> dict[str, LiveDeployment]:
        """Return the existing ones of some deployments, by ``flow/deployment``."""
        wanted = {"/".join(pair) for pair in names}
        return {name: one for name, one in self._deployments.items() if name in wanted}

    async def read_owned(self, names: Names, environment: str) -> list[LiveDeployment]:
        """Return all deployments of a project in an environment, by their tags."""
        owners, word = {*owner_tags(names)}, environment_tag(environment)
        found = self._deployments.values()
        return [one for one in found if word in one.record["tags"] and owners.intersection(one.record["tags"])]

    async def read_last_entries(
        self, names: Names, deployments: Iterable[str], *, live: Mapping[str, LiveDeployment]
    ) -> dict[str, HistoryEntry]:
        """Return nothing: there is no history."""
        del names, deployments, live
        return {}

    async def read_holds(self) -> Mapping[str, StoredHold]:
        """Return nothing: there are no holds."""
        return {}

    async def known_blocks(self, types: Iterable[str]) -> set[tuple[str, str]]:
        """Return the saved blocks of some types."""
        wanted = set(types)
        return {(kind, name) for kind, name in self._blocks if kind in wanted}

    async def known_variables(self) -> set[str]:
        """Return the names of all Prefect variables."""
        return self._variables
