"""From a change to production on two servers: deployed to dev, promoted, approved, tried, active; or refused, with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from production import git, waiting
from support import Api, run_deployment
from texts import WORK_FLOW

from meta_prefect.cli.approve import approve
from meta_prefect.cli.bootstrap import bootstrap
from meta_prefect.cli.history import history
from meta_prefect.cli.promote import promote
from meta_prefect.deploy import deploy
from meta_prefect.errors import ValidationFailed
from meta_prefect.plan.promotion import Candidate, Promotion

FILE = """
    project: UNIQUE
    environments:
      dev:
      prod:
        api_url: PROD
        branches: [main]
        clean: true
        approval: {within: 30m}
        smoke: {parameters: {n: 7}, timeout: 5m}
        defaults: {active: true}
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: nightly, schedule: {cron: "0 9 * * *"}, holidays: false}
"""
Files = Callable[..., Path]


def test_the_very_commit_that_is_live_in_one_environment_is_deployed_to_another(
    server: Api, prod_server: Api, project: Files, unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not what lies in the folder by then; with a smoke run and approval there. Uncommitted changes and drift are refused."""
    root = project(flow=WORK_FLOW, **{"meta_prefect.yaml": FILE.replace("PROD", prod_server.url)})
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    first = git(root, "rev-parse", "HEAD")
    here, there = f"{unique}/nightly-dev", f"{unique}/nightly-prod"
    flow = root / "flow.py"
    flow.write_text(flow.read_text() + "# tried out\n")
    deploy([str(root)], env="dev")
    with pytest.raises(ValidationFailed, match=f"{here} was deployed from uncommitted changes"):
        promote(str(root), source="dev", to="prod")
    git(root, "commit", "-qam", "second")
    commit = git(root, "rev-parse", "HEAD")
    deploy([str(root)], env="dev")
    flow.write_text("broken")

    with ThreadPoolExecutor() as threads:
        promoted = threads.submit(promote, str(root), source="dev", to="prod")
        run = waiting(prod_server, unique)
        assert prod_server.deployment(there) is None
        assert run["name"] == f"promote {unique} from dev to prod @{commit[:7]}"
        assert approve(run["id"], path=root, env="prod", by="grace") == 0
        assert promoted.result(timeout=240) == 0

    made = prod_server.deployment(there)
    (clone,) = made["pull_steps"][0].values()
    assert clone["commit_sha"] == commit
    assert [one["active"] for one in made["schedules"]] == [True]
    of_smoke = {"tags": {"all_": ["meta-prefect-smoke"]}}
    tried = prod_server.post("/flow_runs/filter", flow_runs=of_smoke, flows={"name": {"any_": [unique]}})
    assert [(one["state"]["type"], one["parameters"]) for one in tried] == [("COMPLETED", {"n": 7})]
    of_ledger = {"type": {"any_": ["ledger"]}, "key": {"like_": f"ledger-{unique}-%"}}
    (page,) = prod_server.post("/artifacts/filter", artifacts=of_ledger)
    assert (page["data"]["promoted_from"], page["data"]["approval"]["by"]) == ("dev", "grace")
    assert page["data"]["commit"] == commit
    assert server.deployment(there) is None

    capsys.readouterr()
    assert history(project=True, path=root, output="json") == 0
    deploys = json.loads(capsys.readouterr().out)
    told = [(one["environment"], one["server"], one["commit"], one["actions"]) for one in deploys]
    assert told == [
        ("prod", prod_server.url, commit, {"created": 1}),
        ("dev", server.url, commit, {"updated": 1}),
        ("dev", server.url, f"{first}+dirty", {"created": 1}),
    ]
    assert (deploys[0]["promoted_from"], deploys[0]["approval"]["by"]) == ("dev", "grace")
    assert history(project=True, path=root) == 0
    assert f"prod from dev  commit {commit[:7]}" in capsys.readouterr().out
    (shown,) = prod_server.post("/artifacts/filter", artifacts={"key": {"any_": [f"history-{unique}"]}})
    assert "prod from dev" in shown["data"]

    live = server.deployment(here)
    server.patch(f"/deployments/{live['id']}", description="somebody's")
    with pytest.raises(ValidationFailed, match=f"{here} has drifted: description"):
        promote(str(root), unique, source="dev", to="prod")


@pytest.mark.thorough
def test_a_deployer_promotes_from_its_form(server: Api, project: Files, unique: str) -> None:
    """Its run looks at the other environment itself, and deploys the commit that is live there."""
    file = FILE.replace("approval: {within: 30m}", "").replace("api_url: PROD", "")
    root = project(flow=WORK_FLOW, **{"meta_prefect.yaml": file})
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    deploy([str(root)], env="dev")
    assert bootstrap(root) == 0
    deployer = server.deployment(f"promote/{unique}")
    form = deployer["parameter_openapi_schema"]["properties"]
    assert form["environment"]["enum"] == ["dev", "prod"]
    assert form.keys() == {"source", "environment", "names", "dry_run", "on_error"}

    state, logs = run_deployment(server, deployer, source="dev", environment="prod")

    assert (state["type"], state["message"]) == ("COMPLETED", "1 created in prod"), logs
    (clone,) = server.deployment(f"{unique}/nightly-prod")["pull_steps"][0].values()
    assert clone["commit_sha"] == git(root, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ((), "load/nightly-dev has not passed its smoke run"),
        (("sales",), None),
        (("sales/daily-prod",), None),
        (("sales", "report"), "of several commits: aaaaaaa: sales/daily-dev; bbbbbbb: report/weekly-dev"),
        (("salse",), "nothing of 'salse' is live in dev"),
    ],
)
def test_what_is_refused_is_named(targets: tuple[str, ...], says: str | None) -> None:
    """Each with its reason; what is named without it goes."""
    found = (
        Candidate(deployment="load/nightly-dev", commit="a" * 40, refused="has not passed its smoke run"),
        Candidate(deployment="sales/daily-dev", commit="a" * 40, image="registry:5000/sales:1"),
        Candidate(deployment="report/weekly-dev", commit="b" * 40),
    )
    there = Promotion(project="shop", source="dev", word="dev", candidates=found)
    try:
        chosen = there.of(targets, "prod")
    except Exception as error:  # noqa: BLE001 - what it says is compared
        told = [str(error)]
    else:
        told = list(map(str, chosen.errors()))
        if says is None:
            assert (chosen.commit, chosen.images) == ("a" * 40, {"registry:5000/sales": "registry:5000/sales:1"})
    assert (told == []) if says is None else any(says in one for one in told)
