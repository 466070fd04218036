"""`meta-prefect init --from-server` on a server where a team has deployed by Prefect's own means for a while."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
import yaml
from prefect import flow
from prefect.schedules import Cron
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type
from support import Api

from meta_prefect.cli import main
from meta_prefect.deploy import deploy

FLOWS = '''
from prefect import flow


@flow(name="NAME-etl")
def etl(region: str = "eu", limit: int = 10) -> None:
    """Move orders."""


@flow(name="NAME-train")
def train(model: str, api_token: str = "") -> None:
    pass
'''
SECRET = "hunter2-hunter2"
Init = Callable[..., int]


@pytest.fixture(scope="module")
def name() -> str:
    """What the pools and flows of this server begin with."""
    return f"i{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def clone(server: Api, name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the code of ten deployments that are live, by Prefect's own `deploy`, in pools of three types."""
    root = tmp_path_factory.mktemp(name)
    (root / "flows").mkdir()
    (root / "flows" / "all.py").write_text(FLOWS.replace("NAME", name))
    for kind in ("process", "docker", "kubernetes"):
        template = asyncio.run(get_default_base_job_template_for_infrastructure_type(kind))
        server.post("/work_pools/", name=f"{name}-{kind}", type=kind, base_job_template=template)
    process, docker, kubernetes = (f"{name}-{kind}" for kind in ("process", "docker", "kubernetes"))
    options: dict[str, Any] = {"build": False, "push": False, "print_next_steps": False, "ignore_warnings": True}
    # Prefect takes the version from the repository that one stands in.
    with contextlib.chdir(root):
        etl: Any = flow.from_source(str(root), "flows/all.py:etl")
        train: Any = flow.from_source(str(root), "flows/all.py:train")
        etl.deploy(
            "nightly", process, schedules=[Cron("0 3 * * *", slug="night")], tags=["Production", "V3"], **options
        )
        triggers = [{"expect": ["orders.placed"], "parameters": {"model": "{{ event.payload.m }}"}}]
        train.deploy("boxed", docker, image="acme/shop:7", parameters={"model": "a"}, triggers=triggers, **options)
    schedules = [
        {"slug": "hourly", "schedule": {"interval": 3600}},
        {
            "slug": "nine",
            "schedule": {"rrule": "FREQ=DAILY;BYHOUR=9", "timezone": "US/Pacific"},
            "parameters": {"limit": 3},
        },
        {"slug": "both", "schedule": {"cron": "0 6 1 * 1", "timezone": "Europe/Berlin", "day_or": False}},
    ]
    like_nightly = _like(server, f"{name}-etl/nightly", process)
    like_nightly("1 with spaces", parameters={"region": "us"}, version="2.1", description="Own words.")
    like_nightly("several", work_queue_name="fast", schedules=schedules)
    like_nightly("limited", concurrency_limit=3)
    like_nightly("paused", schedules=[{"slug": "half", "schedule": {"cron": "*/30 * * * *"}}], paused=True)
    like_nightly("reports-prod")
    image = {"image": "acme/shop:7"}
    like_boxed = _like(server, f"{name}-train/boxed", kubernetes)
    like_boxed("podded", job_variables={**image, "namespace": "ml"}, enforce_parameter_schema=False)
    secret = {"parameters": {"model": "d", "api_token": SECRET}, "job_variables": {"env": {"DB_PASSWORD": SECRET}}}
    like_boxed("secretive", work_pool_name=process, **secret)
    like_boxed("plain", work_pool_name=process)
    # What operators do by hand.
    several = server.deployment(f"{name}-etl/several")
    (hourly,) = [one for one in several["schedules"] if one["slug"] == "hourly"]
    server.patch(f"/deployments/{several['id']}/schedules/{hourly['id']}", active=False)
    limited = server.deployment(f"{name}-etl/limited")
    server.patch(f"/deployments/{limited['id']}", tags=["by-hand"])
    return root


def _like(server: Api, full_name: str, pool: str) -> Callable[..., None]:
    """Creates deployments like one that `deploy` made, as other clients of the API do."""
    made = server.deployment(full_name)
    same = ("flow_id", "entrypoint", "pull_steps", "parameter_openapi_schema", "version", "description")

    def create(name: str, **changes: Any) -> None:
        fields = {key: made[key] for key in same}
        server.post("/deployments/", **{**fields, "name": name, "work_pool_name": pool, "tags": [], **changes})

    return create


@pytest.fixture
def begun(clone: Path, name: str, tmp_path: Path) -> tuple[Path, Init]:
    """The folder, without a project file, and the command for all but what is secret."""
    for made in ("meta_prefect.yaml", "recipes.py"):
        (clone / made).unlink(missing_ok=True)

    def init(*options: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["init", str(clone), "--from-server", "--flow", f"{name}-*", "--project", name, *options])
        return int(ended.value.code or 0)

    return clone, init


def test_the_file_reads_as_if_somebody_had_written_it(begun: tuple[Path, Init], name: str) -> None:
    """Defaults are left out, secrets are references with a remark, and what is alike is said once."""
    root, init = begun
    assert init("--no-recipes") == 0

    text = (root / "meta_prefect.yaml").read_text()
    document = yaml.safe_load(text)
    entries = {one["variables"]["name"]: one for of_flow in document["deployments"].values() for one in of_flow}
    common = {"work_pool": f"{name}-process", "holidays": False, "active_in": None}
    assert {
        one["slug"]: {key: value for key, value in one.items() if key != "slug"}
        for one in entries["several"]["variables"]["schedules"]
    } == {
        "hourly": {"interval": 3600, "anchor_date": ANY},
        "nine": {"rrule": "FREQ=DAILY;BYHOUR=9", "timezone": "US/Pacific", "parameters": {"limit": 3}},
        "both": {"cron": "0 6 1 * 1", "day_or": False, "timezone": "Europe/Berlin"},
    }
    assert entries["boxed"]["variables"]["triggers"] == [
        {"expect": ["orders.placed"], "parameters": {"model": "{{ event.payload.m }}"}}
    ]
    assert entries["reports"]["environments"] == ["prod"]
    assert common.items() <= entries["nightly"]["variables"].items()
    assert entries["1 with spaces"]["variables"]["version"] == "2.1"
    assert "{{ prefect.blocks.secret.db-password }}" in text
    assert "Secret block 'db-password'" in " ".join(text.replace("#", "").split())
    assert SECRET not in text
    assert document["project"] == name


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(["--pool", "*-docker"], {"boxed"}, id="by pool"),
        pytest.param(["--tag", "Prod*"], {"nightly"}, id="by tag"),
        pytest.param(["--tag", "Prod*", "--pool", "*-docker"], None, id="both must match"),
    ],
)
def test_patterns_choose(
    begun: tuple[Path, Init], options: list[str], expected: set[str] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each kind of pattern narrows what is taken over; where nothing is left, nothing is written."""
    root, init = begun
    assert init(*options) == (1 if expected is None else 0)
    if expected is None:
        assert "matches" in capsys.readouterr().err
        assert not (root / "meta_prefect.yaml").exists()
    else:
        document = yaml.safe_load((root / "meta_prefect.yaml").read_text())
        names = {one["variables"]["name"] for of_flow in document["deployments"].values() for one in of_flow}
        assert names == expected


def test_code_that_is_elsewhere_is_named_and_left_out(
    server: Api, name: str, clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deployment can be taken over only where its flow is; the message says where that is."""
    with pytest.raises(SystemExit) as ended:
        main(["init", str(tmp_path), "--from-server", "--flow", f"{name}-*"])

    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert f"but in {clone}" in " ".join(told.split())
    assert list(tmp_path.iterdir()) == []


def test_taking_over_changes_nothing_but_the_mark(
    server: Api, begun: tuple[Path, Init], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan after it, the deploy after that, and the status in the end; what operators have set is as they left it."""
    root, init = begun
    before = {one["name"]: one for flow in ("etl", "train") for one in server.deployments_of(f"{name}-{flow}")}
    assert init("--pool", f"{name}-*", "--output", "json") == 0
    told = json.loads(capsys.readouterr().out)

    assert {one["path"] for one in told["differences"]} == {"parameters.api_token", "job_variables.env.DB_PASSWORD"}
    assert (len(told["equal"]), told["missing"], told["refused"], told["errors"]) == (9, [], {}, [])
    assert told["next"] == [f"meta-prefect plan {root} --adopt --env {env}" for env in ("dev", "prod")]

    secretive = f"{name}-train/secretive"
    others = [one for one in told["equal"] if one != secretive]
    for environment in ("dev", "prod"):
        names = [one for one in others if one.endswith("-prod") == (environment == "prod")]
        plan = deploy([str(root), *names], env=environment, adopt=True, dry_run=True).plan
        assert plan is not None
        fields = {field.path for change in plan.changes if change.kind == "deployment" for field in change.fields}
        assert fields <= {"tags", "job_variables.env", "job_variables.env.META_PREFECT__ENV", "job_variables.image"}, (
            fields
        )
        deploy([str(root), *names], env=environment, adopt=True)
        again = deploy([str(root), *names], env=environment, dry_run=True).plan
        assert again is not None
        assert not again.has_changes

    after = {one["name"]: one for flow in ("etl", "train") for one in server.deployments_of(f"{name}-{flow}")}
    for deployment, was in before.items():
        now = after[deployment]
        kept = ("id", "paused", "parameters", "entrypoint", "pull_steps", "work_queue_name", "description", "version")
        assert {key: now[key] for key in kept} == {key: was[key] for key in kept}, deployment
        assert {one["id"]: one["active"] for one in now["schedules"]} == {
            one["id"]: one["active"] for one in was["schedules"]
        }
        assert set(was["tags"]) <= set(now["tags"])
    assert after["paused"]["paused"]
    assert after["limited"]["global_concurrency_limit"]["limit"] == 3
