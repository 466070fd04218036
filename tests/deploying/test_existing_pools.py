"""Work pools that are there already, made as users make them: used as they are, whatever their type, and never written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deploying.planning import left_to_do
from support import Api, run_deployment

from meta_prefect.deploy import deploy
from meta_prefect.errors import MetaPrefectError

CODE = """
    import os
    from prefect import flow, get_run_logger
    from meta_prefect.implementations.infra import docker, ecs, kubernetes, process, work_pool
    from meta_prefect.implementations.metadata import versioneer

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        get_run_logger().info("env=%r stage=%r", os.environ.get("META_PREFECT__ENV"), os.environ.get("STAGE"))
        return n

    mine = (versioneer(version="7") | BUILDER)(work)
"""
Project = Callable[..., Path]


def code(project: Project, builder: str) -> Path:
    """A project with one deployment, made by a builder."""
    return project(**{"flows.py": CODE.replace("BUILDER", builder), "meta_prefect.yaml": "project: UNIQUE\n"})


def a_pool(server: Api, name: str, kind: str = "process", template: dict[str, Any] | None = None) -> Any:
    """A pool that its keeper made; without a template it is Prefect's own, as `prefect work-pool create` takes it."""
    if template is None:
        known = server.get("/collections/views/aggregate-worker-metadata")
        (own,) = [kinds[kind] for kinds in known.values() if kind in kinds]
        template = own["default_base_job_configuration"]
    server.post("/work_pools/", name=name, type=kind, base_job_template=template)
    return server.get(f"/work_pools/{name}")


def template(configuration: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """A template of the keeper's own."""
    return {"variables": {"type": "object", "properties": properties}, "job_configuration": configuration}


ENV = {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "null"}]}}
MANAGED = template({"env": "{{ env }}", "pip_packages": "{{ pip_packages }}"}, env=ENV, pip_packages={"type": "array"})
PUSH = template(
    {"env": "{{ env }}", "image": "{{ image }}", "launch_type": "{{ launch_type }}"},
    env=ENV,
    image={"type": "string"},
    launch_type={"type": "string"},
)


POOLS: dict[str, tuple[dict[str, Any] | None, str, dict[str, str]]] = {
    "process": (None, "process(work_pool='POOL', env={'STAGE': 'blue'})", {"STAGE": "blue"}),
    "kubernetes": (
        None,
        "kubernetes(work_pool='POOL', image='shop:1', cpu=1, memory=2)",
        {"META_PREFECT__IMAGE": "shop:1"},
    ),
    "ecs": (None, "ecs(work_pool='POOL', cpu=1, memory=2)", {}),
    "docker": (
        None,
        "docker(work_pool='POOL', image='shop:1', memory=2, networks=['n'])",
        {"META_PREFECT__IMAGE": "shop:1"},
    ),
    "cloud-run": (None, "work_pool(name='POOL', job_variables={'memory': '1Gi', 'timeout': None})", {}),
    "prefect:managed": (MANAGED, "work_pool(name='POOL', job_variables={'pip_packages': ['x']})", {}),
    "ecs:push": (PUSH, "ecs(work_pool='POOL', image='shop:1')", {"META_PREFECT__IMAGE": "shop:1"}),
}
"""Pools by type: the template where it is not Prefect's own, what deploys into them, and what runs see beside the environment."""


def test_a_deploy_into_pools_of_somebody_else(server: Api, project: Project, unique: str) -> None:
    """The environment travels in the deployment's own `env`, no pool is touched, and the second deploy writes nothing."""
    names = {kind: f"{unique}-{kind.replace(':', '-')}" for kind in POOLS}
    before = {name: a_pool(server, name, kind, POOLS[kind][0]) for kind, name in names.items()}
    chains = [
        f"chain{number} = (namer(name={name!r}) | {POOLS[kind][1].replace('POOL', name)})(work)"
        for number, (kind, name) in enumerate(names.items())
    ]
    text = CODE.partition("\n    mine =")[0].replace("import versioneer", "import namer, versioneer")
    flows = "\n".join([text, *(f"    {line}" for line in chains), ""])
    root = project(**{"flows.py": flows, "meta_prefect.yaml": "project: UNIQUE\n"})

    report = deploy([str(root)], env="stage")
    live = {name: server.deployment(f"{unique}/{name}-stage") for name in before}
    again = deploy([str(root)], env="stage")

    assert [outcome.action for outcome in report.outcomes] == ["created"] * len(POOLS)
    for kind, name in names.items():
        env = POOLS[kind][2]
        assert live[name]["job_variables"]["env"] == {"META_PREFECT__ENV": "stage", **env}, kind
        assert "meta_env" not in live[name]["job_variables"]
        missed = [remark for remark in report.remarks if "no worker" in remark and f"{name} " in remark]
        assert len(missed) == (0 if kind.endswith((":push", ":managed")) else 1), kind
    assert {name: server.get(f"/work_pools/{name}") for name in before} == before
    assert [outcome.action for outcome in again.outcomes] == ["unchanged"] * len(POOLS)
    assert {name: server.deployment(f"{unique}/{name}-stage")["updated"] for name in before} == {
        name: one["updated"] for name, one in live.items()
    }


def test_a_run_in_a_pool_of_somebody_else(server: Api, project: Project, unique: str) -> None:
    """A flow that a worker of the pool's keeper runs sees its environment, beside the deployment's own variables."""
    a_pool(server, unique)
    deploy([str(code(project, "process(work_pool='UNIQUE', env={'STAGE': 'blue'})"))], env="prod")
    command = [
        sys.executable,
        "-m",
        "prefect",
        "worker",
        "start",
        "-p",
        unique,
        "-t",
        "process",
        "--install-policy",
        "never",
    ]
    worker = subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        state, logs = run_deployment(server, server.deployment(f"{unique}/mine-prod"))
        remarks = deploy([str(code(project, "work_pool(name='UNIQUE')"))], env="prod").remarks
    finally:
        # Its run has ended. A worker that is asked to stop just then may wait for it for ever.
        worker.kill()
        worker.wait()

    assert state["type"] == "COMPLETED"
    assert "env='prod' stage='blue'" in logs
    assert not any("no worker" in remark for remark in remarks)


def test_from_a_pool_of_ours_to_another_s_and_back(
    server: Api, project: Project, unique: str, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Each move is one update, after which nothing is left to do, and nothing of the other way stays; a rollback moves too."""
    theirs = f"{unique}-theirs"
    a_pool(server, theirs)
    for name, variables in (
        (f"{unique}-ours", {"meta_env": "dev"}),
        (theirs, {"env": {"META_PREFECT__ENV": "dev"}}),
        (f"{unique}-ours", {"meta_env": "dev"}),
    ):
        root = code(project, f"process(work_pool={name!r})")
        deploy([str(root)])
        live = server.deployment(f"{unique}/mine-dev")
        assert (live["work_pool_name"], live["job_variables"]) == (name, variables)
        assert left_to_do(root) == []

    back = run_cli("rollback", f"{unique}/mine-dev", "--no-hold", cwd=root)
    assert back.returncode == 0, back.stderr
    live = server.deployment(f"{unique}/mine-dev")
    assert (live["work_pool_name"], live["job_variables"]) == (theirs, {"env": {"META_PREFECT__ENV": "dev"}})


def test_a_pool_that_learns_to_hand_the_environment_over(
    server: Api, project: Project, unique: str, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Where the template gets `meta_env` later on, runs see the same as before: that is no difference, and nothing is written."""
    pool = a_pool(server, unique)["base_job_template"]
    root = code(project, "process(work_pool='UNIQUE')")
    deploy([str(root)])
    pool["variables"]["properties"]["meta_env"] = {"type": "string", "default": "dev"}
    pool["job_configuration"]["env"] = {"META_PREFECT__ENV": "{{ meta_env }}"}
    server.patch(f"/work_pools/{unique}", base_job_template=pool)

    assert left_to_do(root) == []
    status = run_cli("status", str(root))
    assert (status.returncode, "1 of 1 in sync in dev; 1 offline" in status.stdout) == (3, True)


def test_a_pool_without_any_way(server: Api, project: Project, unique: str) -> None:
    """A template without `env` is no reason not to deploy: the report says that runs will not see the environment."""
    a_pool(server, unique, "bare", template({"command": "{{ command }}"}, command={"type": "string"}))
    root = code(project, "work_pool(name='UNIQUE', job_variables={'command': 'true'})")

    report = deploy([str(root)])

    assert server.deployment(f"{unique}/mine-dev")["job_variables"] == {"command": "true"}
    (told,) = [remark for remark in report.remarks if "runs will not see META_PREFECT__ENV" in remark]
    assert f"'{unique}'" in told
    assert left_to_do(root) == []


def test_a_pool_that_is_not_there_is_made_where_its_type_is_said(server: Api, project: Project, unique: str) -> None:
    """It has Prefect's own template for the type, of which the server knows more than is installed here."""
    root = code(project, "work_pool(name='UNIQUE', type='cloud-run', job_variables={'region': 'eu'})")
    deploy([str(root)])

    made = server.get(f"/work_pools/{unique}")
    assert (made["type"], "region" in made["base_job_template"]["variables"]["properties"]) == ("cloud-run", True)
    assert server.deployment(f"{unique}/mine-dev")["job_variables"]["env"] == {"META_PREFECT__ENV": "dev"}
    assert left_to_do(root) == []


NEEDY = template(
    {"env": "{{ env }}", "size": "{{ size }}", "region": "{{ region }}"},
    env=ENV,
    size={"type": "integer"},
    region={"type": "string"},
)
NEEDY["variables"]["required"] = ["region"]


@pytest.mark.parametrize(
    ("builder", "told"),
    [
        pytest.param(
            "work_pool(name='UNIQUE', job_variables={'region': 'eu', 'sise': 2})", "Did you mean 'size'?", id="name"
        ),
        pytest.param(
            "work_pool(name='UNIQUE', job_variables={'region': 'eu', 'size': 'big'})",
            "size: 'big' is not of type",
            id="type",
        ),
        pytest.param(
            "work_pool(name='UNIQUE', job_variables={'region': 'eu', 'env.A': 1})",
            "env.A: 1 is not of type 'string'",
            id="dotted",
        ),
        pytest.param("work_pool(name='UNIQUE')", "needs the job variable 'region'", id="required"),
        pytest.param("work_pool(name='UNIQUEE', job_variables={})", "Did you mean 'UNIQUE'?", id="pool"),
        pytest.param("process(work_pool='UNIQUE')", "is of type 'needy', the recipe wants 'process'", id="pool's type"),
        pytest.param(
            "work_pool(name='UNIQUE-new', type='neeedy')", "Prefect knows no worker of type 'neeedy'", id="unknown type"
        ),
    ],
)
def test_what_a_pool_does_not_take(server: Api, project: Project, unique: str, builder: str, told: str) -> None:
    """It is refused before the first write, with what was probably meant."""
    a_pool(server, unique, "needy", NEEDY)

    with pytest.raises(MetaPrefectError) as refused:
        deploy([str(code(project, builder))])

    assert told.replace("UNIQUE", unique) in str(refused.value)
    assert server.deployments_of(unique) == []


def test_what_a_pool_of_somebody_else_lacks(server: Api, project: Project, unique: str) -> None:
    """The error names the pool, the variable and where in the template it goes."""
    a_pool(server, unique, "ecs")
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"
    root = code(
        project,
        f"ecs(work_pool='UNIQUE', execution_role='arn:aws:iam::123456789012:role/x', secrets={{'TOKEN': '{arn}'}})",
    )

    with pytest.raises(MetaPrefectError) as refused:
        deploy([str(root)])

    message = str(refused.value)
    assert f"work pool '{unique}' has no variable 'secret_env'" in message
    assert "`{{ secret_env }}` to its `job_configuration.task_definition.containerDefinitions.0.secrets`" in message
    assert server.deployments_of(unique) == []


@pytest.mark.parametrize(
    ("recipe", "variables", "place", "told"),
    [
        pytest.param("ecs_run_deployer", {}, "work_pool", "the recipe wants 'ecs'", id="pool's type"),
        pytest.param("work_pool_deployer", {"work_pool": "UNIQUEE"}, "work_pool", "Did you mean 'UNIQUE'?", id="pool"),
        pytest.param(
            "work_pool_deployer",
            {"work_pool": "UNIQUE-new", "pool_type": "cloudrun"},
            "pool_type",
            "no worker of type 'cloudrun'\n  Did you mean 'cloud-run'?",
            id="type",
        ),
        pytest.param(
            "work_pool_deployer",
            {"job_variables": {"region": "eu", "sise": 2}},
            "job_variables.sise",
            "Did you mean 'size'?",
            id="variable",
        ),
        pytest.param(
            "work_pool_deployer",
            {"job_variables": {"size": 2}},
            "job_variables",
            "needs the job variable",
            id="required",
        ),
    ],
)
def test_an_entry_of_the_project_file_is_where_the_error_is(
    server: Api, project: Project, unique: str, recipe: str, variables: dict[str, Any], place: str, told: str
) -> None:
    """What a pool of somebody else does not take is placed at the variable that says it."""
    a_pool(server, unique, "needy", NEEDY)
    entry = {"recipe": recipe, "variables": {"name": "nightly", "work_pool": "UNIQUE", **variables}}
    flow = "from prefect import flow\n\n\n@flow(name='UNIQUE')\ndef work() -> None: ...\n"
    file = json.dumps({"project": "UNIQUE", "deployments": {"UNIQUE": [entry]}}, indent=2)

    with pytest.raises(MetaPrefectError) as refused:
        deploy([str(project(flow=flow, **{"meta_prefect.yaml": file}))])

    message = str(refused.value)
    assert f"variables.{place}: " in message
    assert told.replace("UNIQUE", unique) in message
    assert server.deployments_of(unique) == []
