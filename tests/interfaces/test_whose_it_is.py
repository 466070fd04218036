"""What stands beside deployments and belongs to the project that made it: no other one's deploy changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from fakes import FakeApi, FakeHost
from values import a_context, a_deployment

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.components import (
    Component,
    GlobalConcurrencyLimit,
    ProjectOwned,
    SavedBlock,
    Variable,
    WorkQueue,
)
from meta_prefect.interfaces.json_diff import Record


class BlockApi(FakeApi):
    """A server that finds a block by type and name, and knows one form of blocks."""

    async def get(self, path: str) -> Any:
        """Find a block where it was created."""
        return await super().get("/block_documents/db" if "/block_documents/name/db" in path else path)

    async def post(self, path: str, body: Record | None = None) -> Any:
        """Find the type's form, or create."""
        if path == "/block_schemas/filter":
            return [{"id": "s1", "block_type_id": "t1", "fields": {}}]
        return await super().post(path, body)

    async def patch(self, path: str, body: Record) -> Any:
        """Find a block by its id."""
        return await super().patch("/block_documents/db" if path.startswith("/block_documents") else path, body)


Make = Callable[[Any], Component]


@dataclass(frozen=True)
class Kind:
    """A kind of component, by a value that it has.

    Attributes:
        make: The component with a value.
        is_shared: Whether it is used by whoever asks for it as it is.
        can_be_nobodys: Whether one without a mark is nobody's, and not to be changed.
    """

    make: Make
    is_shared: bool = False
    can_be_nobodys: bool = True


KINDS: dict[str, Kind] = {
    "a block": Kind(lambda value: SavedBlock(name="db", block_type="acme", values={"rows": value})),
    "a variable": Kind(lambda value: Variable(name="db", value=value)),
    "a limit": Kind(lambda value: GlobalConcurrencyLimit(name="db", limit=value), is_shared=True),
    # Prefect makes a queue itself where a deployment names one, so that one without a mark is not somebody's.
    "a queue": Kind(
        lambda value: WorkQueue(name="db", pool="p", concurrency_limit=value), is_shared=True, can_be_nobodys=False
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def of(project: str, component: Component, *former: str, adopt: bool = False) -> Component:
    """A component as a deployment of a project needs it."""
    context = a_context(project=project, renamed_from=former, adopt=adopt)
    return component.completed(a_deployment(context=context), FakeHost())


def api() -> BlockApi:
    """A server with nothing but a type of blocks."""
    made = BlockApi()
    made.objects["/block_types/slug/acme"] = {"id": "t1"}
    return made


def ensure(component: Component, api: FakeApi) -> list[str]:
    """Write it where something is to change; returns what."""

    async def run() -> list[str]:
        live = await component.read(api)
        changes = [one.path for one in component.compare(live)]
        if changes:
            await component.write(api, live)
        return changes

    return asyncio.run(run())


@each_kind
def test_only_the_project_that_made_it_changes_it(kind: Kind) -> None:
    """The project does, also by its next name; another one does not, not even to adopt it. What is shared is used as it is."""
    server = api()
    ensure(of("shop", kind.make(1)), server)
    assert ensure(of("shop", kind.make(1)), server) == []
    assert ensure(of("shop", kind.make(2)), server) != []
    assert ensure(of("store", kind.make(3), "shop"), server) != []

    for adopt in (False, True):
        with pytest.raises(ConflictError, match=r"'store' owns it|Meta-Prefect for (store|shop) in dev"):
            ensure(of("other", kind.make(4), adopt=adopt), server)
    if kind.is_shared:
        assert ensure(of("other", kind.make(3)), server) == []


@each_kind
def test_what_nobody_manages_is_taken_over_only_where_that_is_said(kind: Kind) -> None:
    """What somebody made by hand is refused with the mend; adopted, it is the project's from then on."""
    if not kind.can_be_nobodys:
        pytest.skip("one without a mark is not somebody's")
    server = api()
    asyncio.run(kind.make(1).write(server, None))

    with pytest.raises(ConflictError, match=r"nobody manages it") as refused:
        ensure(of("shop", kind.make(2)), server)
    assert "--adopt" in (refused.value.hint or "")
    assert [method for method, _, _ in server.sent] == ["POST"]
    assert ensure(of("shop", kind.make(2), adopt=True), server) != []
    assert ensure(of("shop", kind.make(3)), server) != []


def test_what_somebody_made_anew_is_theirs() -> None:
    """The mark of a block is about the one block: not about another one of that name, nor about one with a name alike."""
    server = api()
    ensure(of("shop", KINDS["a block"].make(1)), server)
    server.objects["/block_documents/db"]["id"] = "another"

    with pytest.raises(ConflictError, match="nobody manages it"):
        ensure(of("shop", KINDS["a block"].make(1)), server)
    names = {one for one in server.objects if one.startswith("/variables/meta-prefect-owner-")}
    asyncio.run(ProjectOwned.mark_as_ours(_block("d b"), "x", server))
    asyncio.run(ProjectOwned.mark_as_ours(_block("d-b"), "x", server))
    assert len({one for one in server.objects if one.startswith("/variables/")} - names) == 2


def _block(name: str) -> SavedBlock:
    made = of("shop", SavedBlock(name=name, block_type="acme"))
    assert isinstance(made, SavedBlock)
    return made
