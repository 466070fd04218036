"""References to blocks and variables are checked for existence before the first write, and never resolved by a deploy."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api, run_deployment

from meta_prefect.deploy import deploy
from meta_prefect.errors import ValidationFailed

CODE = """
    import os
    from prefect import flow, get_run_logger
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import versioneer
    from meta_prefect.implementations.run_settings import env_variables, job_variables

    @flow(name="UNIQUE")
    def work() -> int:
        return len(os.environ["TOKEN"])

    mine = (versioneer(version="7") | local_process() | env_variables(values=VALUES))(work)
"""
Project = Callable[..., Path]


def code(project: Project, **values: str) -> Path:
    """A project whose one deployment sets environment variables."""
    text = CODE.replace("VALUES", repr(values))
    return project(**{"flows.py": text, "meta_prefect.yaml": "project: UNIQUE\n"})


def secret(server: Api, name: str, value: str) -> None:
    """Save a secret block."""
    block_type = server.get("/block_types/slug/secret")
    of_type = {"block_type_id": {"any_": [block_type["id"]]}}
    server.post(
        "/block_documents/",
        name=name,
        block_type_id=block_type["id"],
        block_schema_id=server.post("/block_schemas/filter", block_schemas=of_type)[0]["id"],
        data={"value": value},
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("{{ prefect.blocks.secret.UNIQUE-tokne }}", "Did you mean 'secret/UNIQUE-token'?"),
        ("key {{prefect.blocks.no-such-type.x.value[0].y}}", "Save it in the Prefect UI under Blocks"),
        ("{{ prefect.variables.UNIQUE_reigon }}", "Did you mean 'UNIQUE_region'?"),
        ("{{ prefect.variables.nothing_like_it_at_all }}", "prefect variable set"),
    ],
)
def test_a_reference_that_leads_nowhere(server: Api, project: Project, unique: str, value: str, says: str) -> None:
    """It is an error that names its place, with the nearest name, and nothing is written."""
    secret(server, f"{unique}-token", "x")
    server.post("/variables/", name=f"{unique}_region", value="eu")
    root = code(project, A=value.replace("UNIQUE", unique))

    with pytest.raises(ValidationFailed) as refused:
        deploy([str(root)])

    assert "job_variables.env.A refers to the" in str(refused.value)
    assert says.replace("UNIQUE", unique) in str(refused.value)
    assert server.deployments_of(unique) == []


def test_a_reference_of_a_trigger_that_leads_nowhere(server: Api, project: Project, unique: str) -> None:
    """Job variables that a trigger gives to its runs are checked as the deployment's own, before anything is written."""
    given = {
        "env": {"TOKEN": "{{ prefect.blocks.secret.UNIQUE-none }}", "REGION": "{{ prefect.variables.UNIQUE_none }}"}
    }
    root = code(project)
    flows = root / "flows.py"
    trigger = f"run_triggers(triggers=[{{'expect': 'x', 'job_variables': {given!r}}}])".replace("UNIQUE", unique)
    text = flows.read_text().replace("env_variables(values={})", trigger)
    flows.write_text(f"from meta_prefect.implementations.notification import run_triggers\n{text}")

    with pytest.raises(ValidationFailed) as refused:
        deploy([str(root)])

    place = "job_variables of the trigger 'mine-dev__automation_1'.env"
    assert f"{place}.TOKEN refers to the block 'secret/{unique}-none'" in str(refused.value)
    assert f"{place}.REGION refers to the variable '{unique}_none'" in str(refused.value)
    assert server.deployments_of(unique) == []


def test_a_secret_stays_a_reference(
    server: Api,
    project: Project,
    unique: str,
    prefect_home: Path,
    run_cli: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """A secret reaches the run, and is in no deployment, log, artifact, event or error: the whole database is searched."""
    value = f"hush-{unique}-never-to-be-seen"
    secret(server, f"{unique}-token", value)
    server.post("/variables/", name=f"{unique}_region", value="eu")
    reference = f"{{{{ prefect.blocks.secret.{unique}-token }}}}"
    root = code(project, TOKEN=reference, REGION=f"{{{{ prefect.variables.{unique}_region }}}}")

    outputs = [run_cli("deploy", str(root), "--debug"), run_cli("plan", str(root), "--output", "json")]
    live = server.deployment(f"{unique}/mine-dev")
    state, logs = run_deployment(server, live)
    broken: Any = code(project, TOKEN=reference, WRONG="{{ prefect.variables.nothing_like_it }}")
    outputs.append(run_cli("deploy", str(broken), "--debug"))

    assert [one.returncode for one in outputs] == [0, 0, 1], outputs[0].stderr
    assert live["job_variables"]["env"]["TOKEN"] == reference
    assert state["type"] == "COMPLETED"
    printed = "".join(one.stdout + one.stderr for one in outputs) + logs
    assert value not in printed
    files = [file for file in prefect_home.rglob("*") if file.is_file() and "ui" not in file.parts]
    assert [file.name for file in files if reference.encode() in file.read_bytes()] != []
    assert [file.name for file in files if value.encode() in file.read_bytes()] == []
