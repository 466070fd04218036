"""Saved blocks as components: secrets by reference, compared, and told to nobody."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeApi

from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.components import SavedBlock
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.redaction import redacted

DOCUMENT = "/block_types/slug/acme/block_documents/name/db"
HUSH = "hush-Vq81"


class BlockApi(FakeApi):
    """A server that knows one type of blocks."""

    def __init__(self, data: Record | None = None) -> None:
        super().__init__()
        self.objects["/block_types/slug/acme"] = {"id": "t1"}
        if data is not None:
            found = {"id": "d1", "data": data}
            self.objects |= {f"{DOCUMENT}?include_secrets={one}": found for one in ("true", "false")}

    async def post(self, path: str, body: Record | None = None) -> Any:
        """Find the type's form, or create."""
        if path == "/block_schemas/filter":
            fields: Record = {
                "properties": {"host": {}, "key": {}, "login": {}},
                "secret_fields": ["key", "login.*.word"],
            }
            return [{"id": "s1", "block_type_id": "t1", "fields": fields}]
        return await super().post(path, body)


def block(**settings: Any) -> SavedBlock:
    """A block with a secret."""
    usual: dict[str, Any] = {"name": "db", "block_type": "acme", "values": {"host": "h"}, "secrets": {"key": "DB_KEY"}}
    return SavedBlock(**{**usual, **settings})


def changes(component: SavedBlock, api: FakeApi) -> dict[str, tuple[Any, Any]]:
    """What is to change."""
    found = component.compare(asyncio.run(component.read(api)))
    return {one.path: (one.before, one.after) for one in found}


def test_a_changed_secret_is_a_change_and_is_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same value is as wanted, another one is a change that names the variable; neither value is in it."""
    monkeypatch.setenv("DB_KEY", HUSH)

    assert changes(block(), BlockApi({"host": "h", "key": HUSH, "other": 1})) == {}
    found = changes(block(), BlockApi({"host": "h", "key": "older-Zk2"}))
    assert found == {"secrets.key": ("(another)", "(that of $DB_KEY)")}
    assert changes(block(values={"host": "x"}), BlockApi({"host": "h", "key": HUSH})).keys() == {"values.host"}
    new = changes(block(), BlockApi())
    told = json.dumps([new, block().model_dump(mode="json"), found, str(block())], default=str)
    assert HUSH not in told
    assert "older-Zk2" not in told
    assert HUSH not in redacted(f"a log says {HUSH} and older-Zk2")


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    """As Docker and Kubernetes mount it; the plan names the file, and a line's end belongs to no secret."""
    file = tmp_path / "db_key"
    file.write_text(f"{HUSH}\n")

    assert changes(block(secrets={"key": str(file)}), BlockApi({"host": "h", "key": HUSH})) == {}
    found = changes(block(secrets={"key": str(file)}), BlockApi({"host": "h", "key": "older-Zk2"}))
    assert found == {"secrets.key": ("(another)", f"(that of {file})")}


def test_it_is_written_with_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one by its type, one that is there field by field."""
    monkeypatch.setenv("DB_KEY", HUSH)
    new, there = BlockApi(), BlockApi({"host": "h", "key": "older"})
    there.objects["/block_documents/d1"] = {}

    for api in (new, there):
        live = asyncio.run(block().read(api))
        asyncio.run(block().write(api, live))

    data = {"host": "h", "key": HUSH}
    made = {"name": "db", "block_type_id": "t1", "block_schema_id": "s1", "data": data}
    assert new.sent == [("POST", "/block_documents/", made)]
    assert there.sent == [("PATCH", "/block_documents/d1", {"data": data, "merge_existing_data": True})]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block_type": "acne"}, "there is no block type 'acne'"),
        ({"values": {"hots": 1}}, "'acme' has no field 'hots'"),
        ({"values": {"key": "x"}, "secrets": {}}, "'key' is a secret"),
        ({"values": {"login": {"db": {"word": "x"}}}}, "'login.db.word' is a secret"),
        ({"secrets": {"key": "/run/secrets/not-there"}}, "the file /run/secrets/not-there cannot be read"),
        ({"secrets": {"key": "NOT_SET"}}, "the environment variable NOT_SET is not set"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_any_write(
    settings: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A type or a field that the server does not know, a secret as a value, a variable that is not set."""
    monkeypatch.setenv("DB_KEY", HUSH)

    with pytest.raises(ConfigurationError, match=message.replace("$", r"\$")):
        changes(block(**settings), BlockApi({"host": "h", "key": HUSH}))


@pytest.mark.parametrize(
    "settings",
    [{"secrets": {"key": HUSH}}, {"values": {"password": HUSH}}, {"block_type": "secret", "values": {"value": HUSH}}],
)
def test_a_secret_is_never_written_down(settings: dict[str, Any]) -> None:
    """Neither in place of a variable's name, nor as a value that looks like one."""
    with pytest.raises(ValueError, match="never"):
        block(**settings)
