"""Stores what was last applied, out of reach of run and artifact retention; see :mod:`meta_prefect.plan.applied`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import zip_longest
from uuid import uuid4

from meta_prefect.plan.applied import Kept, name_prefix, newest_by_name, packed
from meta_prefect.plan.ledger import HistoryEntry, LedgerPage
from meta_prefect.server import KeptEntries, PrefectServer


async def store_applied(page: LedgerPage, server: PrefectServer) -> None:
    """Replace the stored entries of the deployments that a page says were written."""
    kept = await server.read_kept((page.project,), page.environment)
    replaced = {entry.deployment for entry in page.entries}
    to_write = _affected(kept, replaced)
    before = newest_by_name(one for variable in to_write for one in variable.entries)
    now = [HistoryEntry(page, entry) for entry in page.entries if entry.is_managed]
    entries = [*(one for name, one in before.items() if name not in replaced), *now]
    for variable, text in zip_longest(to_write, packed(entries) if entries else ()):
        if text is None:
            await server.delete(f"/variables/{variable.variable_id}")
            continue
        value = Kept(project=page.project, environment=page.environment, packed=text).model_dump(mode="json")
        if variable is not None:
            await server.patch(f"/variables/{variable.variable_id}", {"value": value})
        else:
            name = f"{name_prefix(page.project, page.environment)}{uuid4().hex[:8]}"
            await server.post("/variables/", {"name": name, "value": value})


def _affected(kept: Sequence[KeptEntries], replaced: Collection[str]) -> list[KeptEntries]:
    """Return the variables to rewrite: those holding a replaced entry, and the one with the most room."""
    holding = [one for one in kept if any(entry.entry.deployment in replaced for entry in one.entries)]
    others = [one for one in kept if one not in holding]
    known = {entry.entry.deployment for one in holding for entry in one.entries}
    if others and not known.issuperset(replaced):
        holding.append(min(others, key=lambda one: one.length))
    return holding
