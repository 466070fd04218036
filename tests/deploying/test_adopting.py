"""Taking over what others have deployed, and giving it back: by the API, as `prefect deploy` and the UI leave it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api, unmarked

from deployer_flows import disown, rollback
from meta_prefect.deploy import deploy
from meta_prefect.errors import ConflictError, ValidationFailed

Project = Callable[..., Path]
SECRET = "sup3r-S3cret-of-theirs"
FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work(source: str = "") -> None:
        '''Work.'''
"""
FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: work_pool_deployer
          variables:
            name: nightly
            name_pattern: "{name}"
            work_pool: UNIQUE
            tags: [team-a]
            schedules:
              - {cron: "0 6 * * *", timezone: Europe/Berlin}
              - {interval: 7200, parameters: {source: orders}}
            holidays: false
            active_in: null
            job_variables: {env: {TOKEN: "{{ prefect.blocks.secret.UNIQUE }}"}}
"""
CRON: dict[str, Any] = {"schedule": {"cron": "0 6 * * *", "timezone": "Europe/Berlin"}, "active": False}
INTERVAL: dict[str, Any] = {
    "schedule": {"interval": 7200, "anchor_date": "2026-01-05T09:17:00Z", "timezone": "UTC"},
    "parameters": {"source": "orders"},
    "active": True,
}
THEIRS: dict[str, Any] = {"schedule": {"cron": "0 3 * * 0"}, "parameters": {"source": "weekly"}, "active": True}


@pytest.fixture
def live(server: Api, unique: str) -> dict[str, Any]:
    """A deployment as `prefect deploy` leaves it, on which operators have worked: slugless schedules, a tag, a secret's value."""
    kind = server.get("/block_types/slug/secret")
    schema = server.post("/block_schemas/filter", block_schemas={"block_type_id": {"any_": [kind["id"]]}})[0]
    document: dict[str, Any] = {"name": unique, "data": {"value": SECRET}}
    server.post("/block_documents/", **document, block_type_id=kind["id"], block_schema_id=schema["id"])
    template = json.loads(
        json.dumps({"job_configuration": {"env": "{{ env }}"}, "variables": {"properties": {"env": {}}}})
    )
    template["variables"]["properties"]["env"] = {
        "type": "object",
        "additionalProperties": {"type": ["string", "null"]},
    }
    server.post("/work_pools/", name=unique, type="process", base_job_template=template)
    flow = server.post("/flows/", name=unique)
    return server.post(
        "/deployments/",
        name="nightly",
        flow_id=flow["id"],
        tags=["team-a", "vip"],
        version="f5a33d12",
        description="Work.",
        work_pool_name=unique,
        entrypoint="flow.py:work",
        parameter_openapi_schema={"type": "object", "properties": {"source": {"type": "string"}}},
        job_variables={"env": {"TOKEN": SECRET}},
        paused=True,
        schedules=[CRON, INTERVAL, THEIRS],
    )


def schedules(server: Api, unique: str) -> dict[str, Any]:
    """The schedules of that deployment by their times: id, slug, activity, rule and parameters."""
    found = server.deployment(f"{unique}/nightly")["schedules"]
    return {
        str(one["schedule"].get("cron") or one["schedule"]["interval"]): {
            key: one[key] for key in ("id", "slug", "active", "schedule", "parameters")
        }
        for one in found
    }


def test_taking_over_loses_nothing(server: Api, project: Project, unique: str, live: dict[str, Any]) -> None:
    """Schedules keep ids, switches, anchors and parameters and get their slugs; what operators added stays; once is enough."""
    root = project(flow=FLOW, **{"meta_prefect.yaml": FILE})
    before = schedules(server, unique)

    planned = deploy([str(root)], dry_run=True).plan
    with pytest.raises(ValidationFailed, match="Meta-Prefect does not manage it"):
        deploy([str(root)])
    untouched = server.deployment(f"{unique}/nightly")
    (outcome,) = deploy([str(root)], adopt=True).outcomes

    assert planned is not None
    (change,) = [one for one in planned.changes if one.kind == "deployment"]
    assert (planned.has_changes, change.takes_over) == (True, True)
    assert outcome.detail.split(", ") == [field.path for field in change.fields]
    assert (untouched["tags"], untouched["updated"]) == (["team-a", "vip"], live["updated"])
    now = server.deployment(f"{unique}/nightly")
    assert (now["id"], now["paused"]) == (live["id"], True)
    assert now["tags"] == ["env=dev", f"meta-prefect={unique}", "team-a", "vip"]
    slugs = {"0 6 * * *": "daily-0600-europe-berlin", "7200.0": "every-2-hours-utc", "0 3 * * 0": None}
    assert schedules(server, unique) == {key: {**one, "slug": slugs[key]} for key, one in before.items()}
    again = deploy([str(root)], dry_run=True).plan
    assert again is not None
    assert not again.has_changes


def test_a_rollback_gives_it_back(server: Api, project: Project, unique: str, live: dict[str, Any]) -> None:
    """It is as it was before it was taken over, without our tag; `prefect deploy`, which knows no slugs, may write it again."""
    root = project(flow=FLOW, **{"meta_prefect.yaml": FILE})
    deploy([str(root)], adopt=True)
    changed = schedules(server, unique)["7200.0"]
    server.patch(f"/deployments/{live['id']}/schedules/{changed['id']}", active=False, parameters=changed["parameters"])

    asyncio.run(rollback(f"{unique}/nightly", path=str(root), hold="none"))  # pyright: ignore[reportArgumentType]

    now = server.deployment(f"{unique}/nightly")
    assert (now["id"], now["tags"], now["version"]) == (live["id"], ["team-a", "vip"], "f5a33d12")
    found = schedules(server, unique)
    assert {one["slug"] for one in found.values()} == {None}
    assert {key: one["active"] for key, one in found.items()} == {
        "0 6 * * *": False,
        "7200.0": False,
        "0 3 * * 0": True,
    }
    assert found["7200.0"]["schedule"]["anchor_date"].startswith("2026-01-05T09:17:00")
    server.patch(f"/deployments/{live['id']}", schedules=[CRON])
    with pytest.raises(ValidationFailed, match="a rollback gave it back"):
        deploy([str(root)])


def test_disowning_takes_the_mark_away_and_nothing_else(
    server: Api, project: Project, unique: str, live: dict[str, Any], run_cli: Callable[..., Any]
) -> None:
    """The deployment runs on; the history says so, and the next deploy says what it is."""
    root = project(flow=FLOW, **{"meta_prefect.yaml": FILE})
    deploy([str(root)], adopt=True)
    before = unmarked(server.deployment(f"{unique}/nightly"))

    done = run_cli("disown", f"{unique}/nightly", "--path", str(root))

    assert done.returncode == 0, done.stderr
    after = server.deployment(f"{unique}/nightly")
    assert after["tags"] == ["env=dev", "team-a", "vip"]
    same = before.keys() - {"tags", "schedules", "updated", "updated_by"}
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert {one["slug"] for one in after["schedules"]} == {None}
    history = json.loads(run_cli("history", f"{unique}/nightly", "--path", str(root), "--output", "json").stdout)
    assert [one["action"] for one in history] == ["disowned", "updated", "found"]
    assert SECRET not in json.dumps(history)
    with pytest.raises(ValidationFailed, match="it was disowned"):
        deploy([str(root)])
    with pytest.raises(ConflictError, match="it belongs to nobody"):
        asyncio.run(disown(f"{unique}/nightly", path=str(root)))  # pyright: ignore[reportArgumentType]


def test_a_foreign_write_that_took_the_mark_is_drift(
    server: Api, project: Project, unique: str, live: dict[str, Any], run_cli: Callable[..., Any]
) -> None:
    """Status names it, and the next deploy puts the mark back without being told to adopt."""
    root = project(flow=FLOW, **{"meta_prefect.yaml": FILE})
    deploy([str(root)], adopt=True)
    server.patch(f"/deployments/{live['id']}", tags=["team-a", "vip"])

    status = run_cli("status", str(root))
    (outcome,) = deploy([str(root)]).outcomes

    assert status.returncode == 2
    assert f"drifted: {unique}/nightly" in status.stdout
    assert f"its tag meta-prefect={unique} is gone" in status.stderr
    assert (outcome.action, outcome.detail) == ("updated", "tags, version")


def test_their_secrets_are_seen_nowhere(
    server: Api, project: Project, unique: str, live: dict[str, Any], run_cli: Callable[..., Any]
) -> None:
    """What Prefect had resolved into the record stands in no output and in no artifact; it is replaced by the reference."""
    root = project(flow=FLOW, **{"meta_prefect.yaml": FILE.replace("{TOKEN:", "{OPAQUE:")})
    server.patch(f"/deployments/{live['id']}", job_variables={"env": {"OPAQUE": SECRET}})

    printed = [run_cli("plan", str(root), *how) for how in ((), ("--output", "json"), ("--adopt",))]
    printed.append(run_cli("deploy", "--adopt", str(root)))
    printed.append(run_cli("rollback", f"{unique}/nightly", "--path", str(root), "--dry-run"))

    assert SECRET not in "".join(one.stdout + one.stderr for one in printed)
    assert "OPAQUE" in printed[0].stdout
    artifacts = server.post("/artifacts/filter", limit=200, sort="CREATED_DESC")
    assert SECRET not in json.dumps(artifacts)
    assert server.deployment(f"{unique}/nightly")["job_variables"]["env"]["OPAQUE"].startswith(
        "{{ prefect.blocks.secret"
    )
