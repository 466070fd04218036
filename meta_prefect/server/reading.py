"""Batched reads of what a plan needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.tags import Names, environment_tag, owner_tags
from meta_prefect.plan.applied import Kept, confirmed, name_prefix, newest_by_name, unpacked
from meta_prefect.plan.deployment_record import LiveDeployment, live_deployment
from meta_prefect.plan.holds import HOLD_TAG, Hold, StoredHold, hold_of
from meta_prefect.plan.ledger import ARTIFACT_TYPE, HistoryEntry, LedgerPage, StoredPage, history_of, key_prefix
from meta_prefect.plan.provenance import Doubt, doubt_about
from meta_prefect.plan.soundness import sound_or_named, unsound_variable, why_unsound
from meta_prefect.server.requests import PAGE, PrefectRequests

LEDGER_PAGES: Final = 20
"""How many ledger pages to read at once: each may contain the complete records of hundreds of deployments."""

_NOTHING: Final[Mapping[str, LiveDeployment]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class KeptEntries:
    """A variable that stores the last entries of deployments.

    Attributes:
        variable_id: The variable's id.
        length: Its length in characters.
        entries: The entries.
    """

    variable_id: str
    length: int
    entries: tuple[HistoryEntry, ...]


class PrefectReads(PrefectRequests):
    """The read operations of the Prefect API."""

    _flow_ids: dict[str, str]
    unsound: dict[str, str]
    """Invalid records that were found, by id: what each is, and how to remove it."""

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

    async def read_deployment(self, full_name: str) -> LiveDeployment | None:
        """Read a deployment by its ``flow/deployment``; None if there is none."""
        flow, _, name = full_name.partition("/")
        return (await self.read_deployments([(flow, name)])).get(full_name)

    async def _read_flow_names(self, names: Iterable[str]) -> dict[str, str]:
        """Find the ids of flows; return names by id."""
        for chunk in _chunks(sorted(set(names) - self._flow_ids.keys())):
            await self._read_flow_names_by({"flows": {"name": {"any_": chunk}}})
        return {flow_id: name for name, flow_id in self._flow_ids.items()}

    async def read_owned(self, names: Names, environment: str) -> list[LiveDeployment]:
        """Read all deployments of a project in an environment, by their tags, ordered by name.

        Args:
            names: The project's names.
            environment: How the environment is written in tags.
        """
        return await self._read_matching(
            {"deployments": {"tags": {"any_": owner_tags(names), "all_": [environment_tag(environment)]}}}
        )

    async def read_all_deployments(self) -> list[LiveDeployment]:
        """Read all deployments on the server, ordered by name."""
        return await self._read_matching({})

    async def _read_matching(self, condition: Record) -> list[LiveDeployment]:
        answers, flow_names = await asyncio.gather(
            self._all("/deployments/filter", condition), self._read_flow_names_by(condition)
        )
        # For deployments created in between; deleting a flow deletes its deployments as well.
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
        """Find flows and cache their ids; return names by id."""
        flows = await self._all("/flows/filter", condition)
        self._flow_ids |= {flow["name"]: flow["id"] for flow in flows}
        return {flow["id"]: flow["name"] for flow in flows}

    async def read_ledger_pages(self, names: Names, environment: str | None = None) -> AsyncGenerator[StoredPage]:
        """Yield what a project's deploys wrote, newest first; the caller may stop at any page.

        Includes pages that do not count, each with the reason. Invalid pages are omitted and reported in :attr:`unsound`.


        Args:
            names: The project's names; pages written under a former name are included.
            environment: The environment deployed to; None means all.
        """
        artifacts = _newest_first([self._ledger(name, environment) for name in names])
        async for batch in _in_batches(artifacts, LEDGER_PAGES):
            read = [(artifact, page) for artifact in batch if (page := self._page(artifact, names)) is not None]
            # The key is less specific than the page: another project's may have the same prefix.
            ours = [pair for pair in read if pair[1].project in names and environment in (None, pair[1].environment)]
            doubts = await self.doubts_about([(page.run_id, page.deploy_id, artifact) for artifact, page in ours])
            for (artifact, page), doubt in zip(ours, doubts, strict=True):
                yield StoredPage(artifact["id"], page, doubt)

    def _ledger(self, project: str, environment: str | None) -> AsyncGenerator[Record]:
        of_ours = {"type": {"any_": [ARTIFACT_TYPE]}, "key": {"like_": f"{key_prefix(project, environment)}%"}}
        return self.pages("/artifacts/filter", {"artifacts": of_ours}, "CREATED_DESC", LEDGER_PAGES)

    def _page(self, artifact: Record, names: Names) -> LedgerPage | None:
        return sound_or_named(LedgerPage, artifact, "ledger page", self.unsound, names)

    async def doubts_about(self, records: Sequence[tuple[str | None, str, Record]]) -> list[Doubt | None]:
        """Determine which records do not count, and why, with two requests in total.

        Args:
            records: For each, the run and deploy it names, and its artifact.
        """
        ids = sorted({artifact["flow_run_id"] for _, _, artifact in records if artifact.get("flow_run_id")})
        if not ids:
            return [doubt_about(named, deploy_id, artifact, None, None) for named, deploy_id, artifact in records]
        condition: Record = {"flow_runs": {"id": {"any_": ids}}}
        found: tuple[list[Record], list[Record]] = await asyncio.gather(
            self.post("/flow_runs/filter", {**condition, "limit": PAGE}),
            self.post("/flows/filter", {**condition, "limit": PAGE}),
        )
        runs = {run["id"]: run for run in found[0]}
        flows = {flow["id"]: flow["name"] for flow in found[1]}
        return [
            doubt_about(
                named,
                deploy_id,
                artifact,
                run := runs.get(artifact.get("flow_run_id")),
                flows.get((run or {}).get("flow_id")),
            )
            for named, deploy_id, artifact in records
        ]

    async def read_kept(self, names: Names, environment: str | None = None) -> list[KeptEntries]:
        """Read the last entries stored outside the ledger. Invalid ones are reported in :attr:`unsound`.

        Args:
            names: The project's names.
            environment: The environment; None means all of them.
        """
        found: list[KeptEntries] = []
        for name in names:
            condition: Record = {"variables": {"name": {"like_": f"{name_prefix(name, environment)}%"}}}
            async for variable in self.pages("/variables/filter", condition):
                try:
                    kept = Kept.model_validate(variable["value"])
                    # The name is less specific than the value: another project's may have the same prefix.
                    if kept.project == name and environment in (None, kept.environment):
                        found.append(KeptEntries(variable["id"], len(kept.packed), tuple(unpacked(kept))))
                except ValueError as error:
                    why = why_unsound(error) if isinstance(error, ValidationError) else str(error)
                    self.unsound[variable["id"]] = unsound_variable("record of what was applied", variable, why)
        return found

    async def read_last_entries(
        self,
        names: Names,
        deployments: Iterable[str],
        *,
        live: Mapping[str, LiveDeployment] = _NOTHING,
        but_of: str | None = None,
        unconfirmed: bool = False,
    ) -> dict[str, HistoryEntry]:
        """Find what was last deployed to some deployments.

        Args:
            names: The names of the project that they belong to.
            deployments: Deployments as ``flow/deployment``.
            live: Known live deployments by name, which confirm what was applied to them.
            but_of: A deploy whose pages are ignored.
            unconfirmed: Whether to include pages whose run no longer exists. Only safe if nothing is written based on them.

        Returns:
            The newest recorded entry of each, by name.
        """
        missing = set(deployments)
        found: dict[str, HistoryEntry] = {}
        if not missing:
            return found
        kept = newest_by_name(one for variable in await self.read_kept(names) for one in variable.entries)
        kept = {name: one for name, one in kept.items() if name in missing and one.page.deploy_id != but_of}
        for name, one in kept.items():
            if name in live and (sure := confirmed(one, live[name].mark)).doubt is None:
                found[name] = sure
        missing -= found.keys()
        if not missing:
            return found
        async for stored in self.read_ledger_pages(names):
            page, doubt = stored.page, stored.doubt
            if page.deploy_id == but_of or (doubt is not None and not (unconfirmed and doubt.run_is_gone)):
                continue
            for entry in page.entries:
                if entry.deployment in missing:
                    found[entry.deployment] = HistoryEntry(page, entry, doubt)
                    missing.discard(entry.deployment)
            if not missing:
                break
        return {**({name: one for name, one in kept.items() if name in missing} if unconfirmed else {}), **found}

    async def read_history(self, deployment: str, names: Names) -> tuple[HistoryEntry, ...]:
        """Read a deployment's history, newest first. For what the ledger has lost, the separately stored last entry is used.

        Raises:
            TargetError: There is no record of it.
        """
        pages = [page async for page in self.read_ledger_pages(names)]
        known = {page.page.deploy_id for page in pages}
        kept = newest_by_name(one for variable in await self.read_kept(names) for one in variable.entries)
        last = kept.get(deployment)
        if last is not None and last.page.deploy_id not in known:
            live = await self.read_deployment(deployment)
            last = confirmed(last, live.mark if live is not None else None)
            pages.append(StoredPage("", last.page.model_copy(update={"entries": (last.entry,)}), last.doubt))
            pages.sort(key=lambda one: one.page.at, reverse=True)
        return history_of(deployment, pages)

    async def read_holds(self) -> dict[str, StoredHold]:
        """Read all holds, by ``flow/deployment``, in one request. Invalid ones are reported in :attr:`unsound`."""
        found: dict[str, StoredHold] = {}
        async for variable in self.pages("/variables/filter", {"variables": {"tags": {"all_": [HOLD_TAG]}}}):
            match hold_of(variable):
                case Hold() as hold:
                    found[hold.deployment] = StoredHold(variable["id"], hold)
                case why:
                    self.unsound[variable["id"]] = unsound_variable("hold", variable, why)
        return found

    async def known_blocks(self, types: Iterable[str]) -> set[tuple[str, str]]:
        """Return the saved blocks of some types, as pairs of block type and name. Their contents are not read."""
        condition: Record = {"block_types": {"slug": {"any_": sorted(types)}}, "include_secrets": False}
        return {
            (document["block_type"]["slug"], document["name"])
            async for document in self.pages("/block_documents/filter", condition)
            if document.get("name")
        }

    async def known_variables(self) -> set[str]:
        """Return the names of all Prefect variables. Their values are not kept."""
        return {variable["name"] async for variable in self.pages("/variables/filter", {})}


async def _newest_first(sources: Sequence[AsyncGenerator[Record]]) -> AsyncGenerator[Record]:
    """Merge sources that are each sorted newest first, without duplicates."""
    seen: set[str] = set()
    heads = [(source, first) for source in sources if (first := await anext(source, None)) is not None]
    while heads:
        heads.sort(key=lambda head: datetime.fromisoformat(head[1]["created"]))
        source, newest = heads.pop()
        if newest["id"] not in seen:
            seen.add(newest["id"])
            yield newest
        # Only now, so that a caller that stops here does not wait for another page.
        if (following := await anext(source, None)) is not None:
            heads.append((source, following))


async def _in_batches(items: AsyncGenerator[Record], size: int) -> AsyncGenerator[list[Record]]:
    batch: list[Record] = []
    async for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _chunks(items: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), PAGE):
        yield list(items[start : start + PAGE])
