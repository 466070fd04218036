"""Secrets in records: compared with later ones, and found out by nobody."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from fakes import FakeApi

from meta_prefect.errors import RefusedError
from meta_prefect.hidden_values import is_hidden, sealed_as
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.changes import Plan, Subject, Unchanged
from meta_prefect.plan.saved_plan import states_of
from meta_prefect.redaction import hidden, sealed
from meta_prefect.sealing import MARK, has_key, key_name, use_key
from meta_prefect.state.sealing_key import BLOCK, learn_key, share_key

LIVE: Record = {
    "env": {"DB_PASSWORD": "hunter2", "PIN_TOKEN": 1234, "STAGE": "dev"},
    "steps": [{"clone": {"repository": "https://ada:hunter2@git.example/x"}}],
}
CHANGES: list[tuple[str, Record]] = [
    ("password", {**LIVE, "env": {**LIVE["env"], "DB_PASSWORD": "hunter3"}}),
    ("beside it", {**LIVE, "steps": [{"clone": {"repository": "https://ada:hunter2@git.example/y"}}]}),
    ("a secret no more", {**LIVE, "env": {**LIVE["env"], "DB_PASSWORD": "{{ prefect.blocks.secret.db }}"}}),
]


def sealed_of_old(value: Any) -> Any:
    """What records held before there was a key."""
    match value:
        case dict():
            return {key: sealed_of_old(inner) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [sealed_of_old(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
        case str():
            mark = f"(hidden {hashlib.sha256(value.encode()).hexdigest()[:4]})"
            return {"hunter2": mark, "dev": "dev"}.get(value, f"https://{mark}@git.example/x")
        case _:
            return value


@pytest.mark.usefixtures("a_key")
@pytest.mark.parametrize("recorded", [sealed, sealed_of_old], ids=["sealed", "with an unkeyed hash"])
def test_what_is_recorded_is_compared_with_what_is_live(recorded: Any) -> None:
    """The same is the same, and each difference is one; also with a record from before there was a key."""
    record = recorded(LIVE)
    assert "hunter2" not in str(record)
    assert sealed_as(LIVE, record) == record
    assert [name for name, live in CHANGES if sealed_as(live, record) == record] == []


@pytest.mark.usefixtures("a_key")
@pytest.mark.parametrize("key", [None, "********", "2e" * 32], ids=["none", "one that may not be read", "another one"])
def test_secrets_that_cannot_be_compared_count_as_equal(key: str | None) -> None:
    """Nobody's drift is made up; what is not secret is compared all the same."""
    record = sealed(LIVE)
    use_key(key)
    assert [name for name, live in CHANGES if sealed_as(live, record) == record] == ["password"]
    without = sealed(LIVE)
    use_key("1f" * 32)
    assert sealed_as(LIVE, without) == without


@pytest.mark.usefixtures("a_key")
def test_nothing_that_is_recorded_confirms_a_guess() -> None:
    """Marks and fingerprints of plans depend on the key, and people see neither."""
    record = sealed(LIVE)
    plan, another = (
        Plan(deployments=(Unchanged(Subject("deployment", "a/b"), "", one),)) for one in (LIVE, CHANGES[0][1])
    )
    assert states_of(plan, None) == states_of(another, None)
    assert states_of(plan, key_name()) != states_of(another, key_name())
    states = states_of(plan, key_name())
    assert states == states_of(plan, key_name())
    use_key("2e" * 32)
    assert MARK.findall(str(record)) != MARK.findall(str(sealed(LIVE)))
    assert states != states_of(plan, key_name())
    assert MARK.search(str(hidden(record))) is None


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("(hidden 3f2a)", True),
        ("(hidden 3f2a:0123456789abcdef)", True),
        ("https://(hidden ?)@x", True),
        ("(hidden)", True),
        ("https://ada:(hidden)@x", True),
        ("Sheet 1 (hidden)", False),
        ("(hidden files)", False),
    ],
)
def test_words_that_hide_something_are_told_from_anybodys_own(text: str, is_one: bool) -> None:
    """A value that was copied from a page is refused, and no other one."""
    assert is_hidden({"x": [text]}) is is_one


class Blocks(FakeApi):
    """A server with Secret blocks.

    Args:
        refuses: The beginning of the paths that it refuses.
    """

    def __init__(self, refuses: str = "nothing") -> None:
        super().__init__()
        self.made: list[Record] = []
        self._refuses = refuses

    async def get(self, path: str) -> Any:
        """The type of block, and the block."""
        if path.startswith(self._refuses):
            raise RefusedError("no")
        return {"id": "type"} if "block_documents" not in path else next(iter(self.made), None)

    async def post(self, path: str, body: Any = None) -> Any:
        """The schemas; a new block."""
        if path.startswith(self._refuses):
            raise RefusedError("no")
        return self.made.append(body) if path == "/block_documents/" else [{"id": "schema"}]


def test_the_key_is_made_for_the_first_secret_and_read_by_others() -> None:
    """No block appears where there is nothing to seal; who may not make or read it goes on without."""
    server = Blocks()
    asyncio.run(share_key([{"env": {"STAGE": "dev"}}], server))
    assert (server.made, has_key()) == ([], False)
    asyncio.run(share_key([LIVE], server))
    name = key_name()
    use_key(None)
    asyncio.run(learn_key(server))
    assert ([one["name"] for one in server.made], key_name()) == ([BLOCK], name)

    use_key(None)
    for refuses in ("/block_documents", "/block_types"):
        asyncio.run(share_key([LIVE], Blocks(refuses)))
        assert not has_key()
