"""Environments that deployments call otherwise than the project does: adopted under their names, and found again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api

from deployer_flows import disown, rollback
from meta_prefect.deploy import deploy
from meta_prefect.errors import ValidationFailed

FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work() -> None:
        '''Work.'''
"""
FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: work_pool_deployer
          variables: {name: nightly, work_pool: UNIQUE, schedule: {cron: "0 6 * * *"}, holidays: false}
"""
WORDS = "environments: {prod: {called: production}}\n"


def test_an_environment_is_called_by_their_word(server: Api, project: Callable[..., Path], unique: str) -> None:
    """Names and tags have it; what counts for ``prod`` counts, and deploys, rollbacks and disowning find it again."""
    root = project(flow=FLOW, **{"meta_prefect.yaml": FILE})
    file, name = root / "meta_prefect.yaml", f"{unique}/nightly-production"
    server.post("/work_pools/", name=unique, type="process")
    live: dict[str, Any] = server.post(
        "/deployments/",
        name="nightly-production",
        flow_id=server.post("/flows/", name=unique)["id"],
        tags=["env=production", "V3"],
        work_pool_name=unique,
        entrypoint="flow.py:work",
        schedules=[{"schedule": {"cron": "0 6 * * *"}, "active": True}],
    )
    file.write_text(file.read_text().replace("name: nightly,", 'name: nightly-production, name_pattern: "{name}",'))
    with pytest.raises(ValidationFailed, match=r"environments: \{prod: \{called: production\}\}"):
        deploy([str(root)], env="prod", adopt=True)
    file.write_text(WORDS + FILE.replace("    ", "", 1).replace("\n    ", "\n").replace("UNIQUE", unique))

    deploy([str(root)], env="prod", adopt=True)

    now = server.deployment(name)
    assert (now["id"], now["tags"]) == (live["id"], ["V3", "env=production", f"meta-prefect={unique}"])
    assert [one["active"] for one in now["schedules"]] == [True]
    assert now["job_variables"]["env"] == {"META_PREFECT__ENV": "prod"}
    file.write_text(file.read_text().replace("0 6 * * *", "0 7 * * *"))
    deploy([str(root)], env="prod")
    asyncio.run(rollback(name, path=str(root), hold="none"))  # pyright: ignore[reportArgumentType]
    assert server.deployment(name)["schedules"][0]["schedule"]["cron"] == "0 6 * * *"
    file.write_text(file.read_text().replace("name: nightly,", "name: other,"))
    plan = deploy([str(root)], env="prod", dry_run=True, prune=True).plan
    assert plan is not None
    assert f"deployment {name}" in {f"{one.kind} {one.name}" for one in plan.changes if one.action == "delete"}
    asyncio.run(disown(name, path=str(root)))  # pyright: ignore[reportArgumentType]
    assert server.deployment(name)["tags"] == ["V3", "env=production"]
