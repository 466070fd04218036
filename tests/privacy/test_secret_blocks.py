"""The secret of a block that a deploy saves: Prefect keeps it encrypted, and nothing else anywhere has it."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Api, wait_until
from test_planted_secrets import told_by

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]

FLOW = """
    from prefect import flow
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import versioneer
    from meta_prefect.implementations.run_settings import saved_block

    @flow(name="UNIQUE")
    def work() -> None: ...

    key = saved_block(type="secret", name="UNIQUE", secrets={"value": "DB_PASSWORD"})
    mine = (key | versioneer(version="7") | local_process())(work)
"""
FIRST, SECOND, BY_HAND = "xqFirst72hushVq81Zk", "xqSecond39hushTr64Wm", "xqByHand55hushLp20Yd"


def forms_of(secret: str) -> Iterator[bytes]:
    """A secret as it is, and as each of the texts that base64 makes of it, wherever it stands in what is encoded."""
    yield secret.encode()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret.encode())
        yield encoded[4 if before else 0 : -4]


def test_the_secret_of_a_block_is_nowhere_but_encrypted_in_it(
    server: Api, project: Callable[..., Path], unique: str, run_cli: Callable[..., Any], prefect_home: Path
) -> None:
    """A changed value is a change, an unchanged one is none; database, logs, pages, plans, ledger and output do not have it."""
    root = project(flow=FLOW, **{"meta_prefect.yaml": "project: UNIQUE\n"})
    told: list[str] = []

    def run(*arguments: str, ends: int = 0, password: str = FIRST) -> str:
        done: subprocess.CompletedProcess[str] = run_cli(
            *arguments, cwd=root, env={"DB_PASSWORD": password, "PREFECT_LOGGING_LEVEL": "DEBUG"}
        )
        assert done.returncode == ends, done.stdout + done.stderr
        told.append(done.stdout + done.stderr)
        return done.stdout

    def changes(*arguments: str, ends: int = 2, password: str = FIRST) -> dict[str, Any]:
        planned = json.loads(run("plan", "--output", "json", *arguments, ends=ends, password=password))
        found = [one for one in planned["changes"] if one["name"] == f"secret/{unique}"]
        return {field["path"]: field.get("after") for one in found for field in one.get("fields", ())}

    def value() -> str:
        path = f"/block_types/slug/secret/block_documents/name/{unique}?include_secrets=true"
        held: str = server.get(path)["data"]["value"]
        return held

    assert changes() == {"secrets.value": "(that of $DB_PASSWORD)"}
    printed = run("plan", ends=2)
    run(*printed.strip().splitlines()[-1].rpartition("meta-prefect ")[2].split())
    assert value() == FIRST
    assert changes(ends=0) == {}
    assert changes(password=SECOND) == {"secrets.value": "(that of $DB_PASSWORD)"}
    run("deploy", password=SECOND)
    assert value() == SECOND
    assert changes(ends=0, password=SECOND) == {}
    document = server.get(f"/block_types/slug/secret/block_documents/name/{unique}")
    server.patch(f"/block_documents/{document['id']}", data={"value": BY_HAND})
    run("status", "--output", "json", ends=2, password=SECOND)
    assert changes(password=SECOND) == {"secrets.value": "(that of $DB_PASSWORD)"}
    run("deploy", "--debug", password=SECOND)
    run("history", f"{unique}/mine-dev", "--output", "json")
    run("validate", "--output", "json")

    stored = wait_until(lambda: _logged(server, unique), what="the logs arrive") + "\n".join(told)
    for kind in ("variables", "deployments", "automations", "block_documents"):
        stored += json.dumps(server.post(f"/{kind}/filter", limit=200))
    kept = b"".join(file.read_bytes() for file in sorted(prefect_home.rglob("*")) if file.is_file())
    assert (f"secret/{unique}" in stored, unique.encode() in kept) == (True, True), "what there is has been searched"
    searched = stored.encode() + kept
    assert {secret: [searched.count(form) for form in forms_of(secret)] for secret in (FIRST, SECOND, BY_HAND)} == {
        secret: [0, 0, 0, 0] for secret in (FIRST, SECOND, BY_HAND)
    }


def test_a_block_of_somebody_else_is_not_overwritten(
    server: Api, project: Callable[..., Path], unique: str, run_cli: Callable[..., Any]
) -> None:
    """One that was made by hand is refused before any write, and taken over with --adopt; another project's never is."""
    kind = server.get("/block_types/slug/secret")["id"]
    (schema, *_) = server.post("/block_schemas/filter", block_schemas={"block_type_id": {"any_": [kind]}})
    by_hand = {"name": unique, "block_type_id": kind, "block_schema_id": schema["id"], "data": {"value": BY_HAND}}
    server.post("/block_documents/", **by_hand)
    root = project(flow=FLOW, **{"meta_prefect.yaml": "project: UNIQUE\n"})
    env = {"DB_PASSWORD": FIRST}
    path = f"/block_types/slug/secret/block_documents/name/{unique}?include_secrets=true"

    refused = run_cli("deploy", cwd=root, env=env)
    assert refused.returncode == 1
    assert f"block secret/{unique}: it is there, and nobody manages it" in refused.stderr
    assert "--adopt" in refused.stderr
    assert (server.deployments_of(unique), server.get(path)["data"]["value"]) == ([], BY_HAND)

    adopted = run_cli("deploy", "--adopt", cwd=root, env=env)
    assert adopted.returncode == 0, adopted.stderr
    assert server.get(path)["data"]["value"] == FIRST
    assert run_cli("plan", cwd=root, env=env).returncode == 0

    others = FLOW.replace('@flow(name="UNIQUE")', '@flow(name="other-UNIQUE")')
    project(flow=others, **{"meta_prefect.yaml": "project: other-UNIQUE\n"})
    other = run_cli("deploy", "--adopt", cwd=root, env={"DB_PASSWORD": SECOND})
    assert other.returncode == 1
    assert f"the project {unique!r} owns it" in other.stderr
    assert server.get(path)["data"]["value"] == FIRST


def _logged(server: Api, name: str) -> str | None:
    """What the server tells, once the last lines of the logs have arrived."""
    text = told_by(server, name)
    return text if text.count("recorded in the ledger") >= 1 else None
