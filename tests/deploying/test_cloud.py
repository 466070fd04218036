"""Prefect Cloud as the target: keys, addresses, limits, and a retention of runs and artifacts; on the double of it."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from cloud_double import CloudDouble, Limits
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_CLOUD_API_URL,
    temporary_settings,
)
from support import Api

from meta_prefect.cli import main
from meta_prefect.errors import RefusedError
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.applied import Kept, mark_of, packed, unpacked
from meta_prefect.plan.ledger import CUT_OFF, HistoryEntry, LedgerEntry
from meta_prefect.plan.mark import MARK
from meta_prefect.server import connect

FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        '''Work.'''
        return n
"""
SECOND = '{slug: b, cron: "0 10 * * *"}'
FILE = f"""
    project: UNIQUE
    deployments:
      UNIQUE:
        - {{recipe: local_run_deployer, variables: {{name: first, concurrency_limit: 3, tags: [a]}}}}
        - {{recipe: local_run_deployer, variables: {{name: second}}}}
        - recipe: local_run_deployer
          variables: {{name: third, version: "7", schedule: [{{slug: a, cron: "0 9 * * *"}}, {SECOND}]}}
"""
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cloud(server: Api) -> Generator[CloudDouble]:
    """The double, in front of the session's server."""
    with CloudDouble(server.url, os.environ.get("PREFECT_API_AUTH_STRING")) as double:
        yield double


@pytest.fixture
def root(project: Callable[..., Path]) -> Path:
    """A project of three deployments."""
    return project(flow=FLOW, **{"meta_prefect.yaml": FILE})


@pytest.fixture
def on_cloud(cloud: CloudDouble, tmp_path: Path) -> Cli:
    """Run `meta-prefect` as somebody does who uses Prefect Cloud and nothing else."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API_")}

    def run(*arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        home = {"PREFECT_HOME": str(tmp_path / "home"), "META_PREFECT__START_WORKER": "false"}
        return subprocess.run(
            [sys.executable, "-m", "meta_prefect.cli", *arguments],
            cwd=cwd,
            env={**ours, **home, **cloud.environment, **more},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_a_deploy_keeps_to_the_limit_and_says_so(cloud: CloudDouble, on_cloud: Cli, root: Path) -> None:
    """At a limit it waits as long as it is told, says that once, goes on, and sends nothing that Prefect's client does not."""
    cloud.limits = Limits(requests=20, seconds=1)
    done = on_cloud("deploy", cwd=root)

    assert done.returncode == 0, done.stderr
    assert "3 created in dev" in done.stdout
    waits = re.findall(r"takes no more requests for now: going on in \d seconds?", done.stderr)
    assert 1 <= len(waits) <= cloud.traffic.refused
    assert cloud.traffic.refused <= 4
    page = f"{cloud.cloud_url.removesuffix('/api')}/account/{cloud.account}/workspace/{cloud.workspace}/runs/flow-run/"
    assert f"Run: {page}" in done.stdout
    assert cloud.key not in done.stdout + done.stderr
    known = list(requests_of_prefects_client())
    assert [one for one in cloud.traffic.asked if not any(path.fullmatch(one) for path in known)] == []


def requests_of_prefects_client() -> Iterator[re.Pattern[str]]:
    """What Prefect's client can ask, as its source has it; and variables by id, as Prefect's Terraform provider does."""
    yield re.compile("(PATCH|DELETE) /variables/[^/]+")
    spec = importlib.util.find_spec("prefect.client.orchestration")
    assert spec is not None
    assert spec.origin is not None
    sources = [*Path(spec.origin).parent.rglob("*.py"), Path(spec.origin).parents[2] / "results.py"]
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            texts = [_template(one) for one in node.args[:2]]
            match node.func.attr, texts:
                case "request", [str() as method, str() as path]:
                    yield re.compile(f"{method} {path}")
                case ("get" | "post" | "patch" | "put" | "delete") as method, [str() as path, *_]:
                    yield re.compile(f"{method.upper()} {path}")
                case _:
                    pass


def _template(node: ast.expr) -> str | None:
    """A regular expression for a path as the source has it: `{id}` may be anything."""
    match node:
        case ast.Constant(value=str() as text):
            return re.sub(r"\\{\w+\\}", "[^/]+", re.escape(text))
        case ast.JoinedStr(values=values):
            return "".join(re.escape(str(one.value)) if isinstance(one, ast.Constant) else "[^/]+" for one in values)
        case _:
            return None


KEYS: dict[str, tuple[dict[str, str], str]] = {
    "no key": ({"PREFECT_API_KEY": ""}, "Set PREFECT_API_KEY: Prefect Cloud asks for it"),
    "a wrong key": ({"PREFECT_API_KEY": "pnu_wrong"}, "PREFECT_API_KEY is not the one of Prefect Cloud or has expired"),
    "a server's string": ({"PREFECT_API_AUTH_STRING": "admin:pass"}, "Unset PREFECT_API_AUTH_STRING"),
    "another workspace": ({"PREFECT_API_URL": "OTHER"}, "check which workspace PREFECT_API_URL names"),
    "no workspace": ({"PREFECT_API_URL": "NONE"}, "accounts/<account>/workspaces/<workspace>"),
}


@pytest.mark.parametrize(("settings", "said"), KEYS.values(), ids=KEYS)
def test_who_may_not_is_told_what_to_do(cloud: CloudDouble, settings: dict[str, str], said: str) -> None:
    """Before anything is started or written, in words; no key is in them."""
    urls = {"OTHER": cloud.url[:-4] + "0000", "NONE": cloud.cloud_url}
    named = {**cloud.environment, **settings}
    named["PREFECT_API_URL"] = urls.get(named["PREFECT_API_URL"], named["PREFECT_API_URL"])

    async def check() -> None:
        async with connect(LocalHost()) as api:
            await api.check()

    with temporary_settings(settings_of(named)), pytest.raises(RefusedError) as refused:
        asyncio.run(check())
    assert said in str(refused.value)
    for secret in (cloud.key, "pnu_wrong", "admin:pass"):
        assert secret not in str(refused.value)
    assert [one for one in cloud.traffic.asked if not one.startswith("POST /work_pools")] == []


@pytest.fixture
def in_process(
    cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Callable[..., tuple[int, str, str]]]:
    """The same in this process, for a test that runs many commands: returns the exit code and what is printed."""
    monkeypatch.setenv("META_PREFECT__START_WORKER", "false")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        return cast("int", ended.value.code), printed.out, printed.err

    with temporary_settings(settings_of(cloud.environment)):
        yield run


def settings_of(environment: dict[str, str]) -> dict[Any, Any]:
    """Prefect's settings as environment variables set them; an empty one sets nothing."""
    settings = (PREFECT_API_URL, PREFECT_CLOUD_API_URL, PREFECT_API_KEY, PREFECT_API_AUTH_STRING)
    return {one: environment[one.name] or None for one in settings}


def test_what_was_applied_outlives_the_runs(
    server: Api, cloud: CloudDouble, in_process: Callable[..., tuple[int, str, str]], root: Path, unique: str
) -> None:
    """Without any run and artifact, status and plan know what was deployed; what history has lost is said."""
    names = {one: f"{unique}/{one}-dev" for one in ("first", "second", "third")}
    assert in_process("deploy", str(root))[0] == 0
    assert all(cloud.retain_nothing().values())
    server.patch(f"/deployments/{server.deployment(names['first'])['id']}", description="by hand")
    server.delete(f"/deployments/{server.deployment(names['second'])['id']}")

    status = json.loads(in_process("status", str(root), "--output", "json")[1])
    found = {one["deployment"]: one for one in status["deployments"]}
    states = {"first": "drifted", "second": "missing", "third": "in sync"}
    assert {name: one["state"] for name, one in found.items()} == {names[one]: state for one, state in states.items()}
    (drift,) = [one for one in found[names["first"]]["fields"] if one["kind"] == "drift"]
    assert (drift["path"], drift["applied"], drift["live"]) == ("description", "Work.", "by hand")

    file = root / "meta_prefect.yaml"
    file.write_text(file.read_text().replace(", concurrency_limit: 3", "").replace(f", {SECOND}]", "]"))
    assert "    concurrency_limit: 3 → null" in in_process("plan", str(root))[1].splitlines()

    assert in_process("deploy", str(root))[0] == 0
    third = server.deployment(names["third"])
    (kept,) = server.post("/variables/filter", variables={"name": {"like_": f"meta-prefect-applied-{unique}"}})
    recorded = {one.entry.deployment: one.entry for one in unpacked(Kept.model_validate(kept["value"]))}
    # Nothing but a schedule was taken away: the deployment confirms that too.
    assert [one["slug"] for one in third["schedules"]] == ["a"]
    assert third["parameter_openapi_schema"][MARK] == mark_of(recorded[names["third"]])
    cloud.retain_nothing()
    code, said, notes = in_process("history", names["first"], "--path", str(root))
    assert (code, said.count("\n")) == (0, 1)
    assert f"note: {CUT_OFF}" in notes
    code, _, error = in_process("rollback", names["first"], "--path", str(root))
    assert code == 1
    assert "Deploy that commit of the project instead" in error

    # What anybody may write who may write variables counts for no plan: the deployment does not confirm it.
    (variable,) = server.post("/variables/filter", variables={"name": {"like_": f"meta-prefect-applied-{unique}"}})
    path = f"/variables/{variable['id']}"
    server.patch(f"/deployments/{server.deployment(names['third'])['id']}", paused=True)
    entries = [HistoryEntry(one.page, forged(one.entry)) for one in unpacked(Kept.model_validate(variable["value"]))]
    server.patch(path, value={**variable["value"], "packed": next(packed(entries))})
    assert in_process("plan", str(root))[0] == 0
    server.patch(path, value={**variable["value"], "packed": "nonsense"})
    assert f"prefect variable unset {variable['name']}" in "".join(in_process("status", str(root))[1:])


def forged(entry: LedgerEntry) -> LedgerEntry:
    """Says that the recipe had paused the deployment, which it does not want."""
    return entry.model_copy(update={"after": {**(entry.after or {}), "paused": True}, "ours": (*entry.ours, "paused")})
