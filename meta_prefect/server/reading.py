"""Reading what a plan needs, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from typing import Final

from meta_prefect.interfaces.records import Record
from meta_prefect.interfaces.tags import environment_tag, owner_tag
from meta_prefect.plan.ledger import ARTIFACT_TYPE, Ledger, Recorded, key_prefix, page_of
from meta_prefect.plan.records import LiveDeployment, live_deployment
from meta_prefect.server.requests import PAGE, Requests

LEDGER_PAGES: Final = 20
"""How many pages of a ledger are read at once: each may hold the whole records of hundreds of deployments."""


class Readings(Requests):
    """The Prefect API, as far as it is read."""

    _flow_ids: dict[str, str]

    async def read_deployments(self, names: Iterable[tuple[str, str]]) -> dict[str, LiveDeployment]:
        """Read many deployments at once.

        Args:
            names: Pairs of flow and deployment name.

        Returns:
            Those that exist, by ``flow/deployment``.
        """
        wanted = set(names)
        flow_names = await self._read_flow_names({flow for flow, _ in wanted})
        found: dict[str, LiveDeployment] = {}
        for chunk in _chunks(sorted({name for flow, name in wanted if flow in self._flow_ids})):
            condition = {"deployments": {"name": {"any_": chunk}}}
            async for answer in self.pages("/deployments/filter", condition):
                flow_name = flow_names.get(answer["flow_id"])
                if flow_name is not None and (flow_name, answer["name"]) in wanted:
                    live = live_deployment(answer, flow_name)
                    found[live.full_name] = live
        return found

    async def _read_flow_names(self, names: Iterable[str]) -> dict[str, str]:
        """Find the ids of flows; returns names by id."""
        for chunk in _chunks(sorted(set(names) - self._flow_ids.keys())):
            await self._read_flow_names_by({"flows": {"name": {"any_": chunk}}})
        return {flow_id: name for name, flow_id in self._flow_ids.items()}

    async def read_owned(self, project: str, environment: str) -> list[LiveDeployment]:
        """Read every deployment of a project in an environment, by its tags, in the order of names."""
        of_owner = {"deployments": {"tags": {"all_": [owner_tag(project), environment_tag(environment)]}}}
        answers, flow_names = await asyncio.gather(
            self._all("/deployments/filter", of_owner), self._read_flow_names_by(of_owner)
        )
        # A deployment that came in between; a flow that somebody deletes meanwhile takes its deployments along.
        for chunk in _chunks(sorted({answer["flow_id"] for answer in answers} - flow_names.keys())):
            flow_names |= await self._read_flow_names_by({"flows": {"id": {"any_": chunk}}})
        return [
            live_deployment(answer, flow_names[answer["flow_id"]])
            for answer in answers
            if answer["flow_id"] in flow_names
        ]

    async def _all(self, path: str, condition: Record) -> list[Record]:
        return [answer async for answer in self.pages(path, condition)]

    async def _read_flow_names_by(self, condition: Record) -> dict[str, str]:
        """Find flows, and remember their ids; returns names by id."""
        flows = await self._all("/flows/filter", condition)
        self._flow_ids |= {flow["name"]: flow["id"] for flow in flows}
        return {flow["id"]: flow["name"] for flow in flows}

    async def read_ledgers(self, project: str, environment: str | None = None) -> AsyncGenerator[Ledger]:
        """Read what the deploys of a project wrote, newest first, page by page; whoever has enough may stop.

        Args:
            project: The project.
            environment: The environment that was deployed to; None means all of them.
        """
        async for _, page in self.read_ledger_pages(project, environment):
            yield page

    async def read_ledger_pages(
        self, project: str, environment: str | None = None
    ) -> AsyncGenerator[tuple[str, Ledger]]:
        """The same, each page with the id of the artifact that it is."""
        of_ours = {"type": {"any_": [ARTIFACT_TYPE]}, "key": {"like_": f"{key_prefix(project, environment)}%"}}
        async for artifact in self.pages("/artifacts/filter", {"artifacts": of_ours}, "CREATED_DESC", LEDGER_PAGES):
            # A key tells less than the page: another project's may begin alike.
            page = page_of(artifact["data"])
            if page is not None and page.project == project and environment in (None, page.environment):
                yield artifact["id"], page

    async def read_last_entries(
        self, project: str, names: Iterable[str], *, but_of: str | None = None
    ) -> dict[str, Recorded]:
        """Find what the last deploys wrote of deployments.

        Args:
            project: The project that they belong to.
            names: Deployments as ``flow/deployment``.
            but_of: A deploy whose pages do not count.

        Returns:
            The newest entry of each that is recorded, by its name.
        """
        missing = set(names)
        found: dict[str, Recorded] = {}
        if not missing:
            return found
        async for page in self.read_ledgers(project):
            if page.deploy_id == but_of:
                continue
            for entry in page.entries:
                if entry.deployment in missing:
                    found[entry.deployment] = Recorded(page, entry)
                    missing.discard(entry.deployment)
            if not missing:
                break
        return found

    async def known_blocks(self, types: Iterable[str]) -> set[tuple[str, str]]:
        """Find saved blocks of some types: pairs of block type and name. What they hold is not read."""
        condition: Record = {"block_types": {"slug": {"any_": sorted(types)}}, "include_secrets": False}
        return {
            (document["block_type"]["slug"], document["name"])
            async for document in self.pages("/block_documents/filter", condition)
            if document.get("name")
        }

    async def known_variables(self) -> set[str]:
        """The names of all Prefect variables. What they hold is not kept."""
        return {variable["name"] async for variable in self.pages("/variables/filter", {})}


def _chunks(items: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), PAGE):
        yield list(items[start : start + PAGE])
