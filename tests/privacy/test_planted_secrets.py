"""Secrets planted wherever somebody may write one are found nowhere but in the deployments that ask for them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Api, wait_until

from meta_prefect.deploy import deploy

Cli = Callable[..., subprocess.CompletedProcess[str]]


def planted(mark: str, places: str) -> dict[str, str]:
    """A secret for each place, which nothing else looks like."""
    return {place: f"{mark}{number:02}{place}zj" for number, place in enumerate(places.split())}


DEPLOYED = planted(
    "xq",
    "envname envsuffix plainenv envaddress parameter listed command option description schedule default pullstep query header",
)
"""What a deployment is to hold, for better or worse, by where it is planted; no page, log, run or event may."""

KEPT_OUT = planted(
    "xk",
    "apipassword gittoken gitpassword githttp gitplus gitquery settokens setnested setaddress wrongtype badmodel "
    "badaddress raised afterwards setting",
)
"""What may be stored nowhere at all."""

LIVE = planted("xl", "liveenv liveparameter liveaddress")
"""What somebody writes into the live deployment by hand."""

D, K, L = DEPLOYED, KEPT_OUT, LIVE

FLOW = f"""
from prefect import flow

@flow(name="UNIQUE")
def work(login: dict | None = None, tokens: list[str] | None = None, password: str = "{D["default"]}") -> None: ...
"""

RECIPES = f"""
from pydantic import BaseModel, SecretStr
from meta_prefect import recipe
from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code import git_code
from meta_prefect.implementations.infra import process
from meta_prefect.implementations.metadata import describer, namer, versioneer
from meta_prefect.implementations.run_settings import job_variables, parameters
from meta_prefect.implementations.schedule import scheduler


COMMAND = "run --password {D["option"]}X1 API_KEY={D["command"]} -H 'Authorization: Bearer {D["header"]}'"


class Login(BaseModel):
    user: str
    password: str


class pulling(Builder):
    def update_deployment(self, deployment):
        step = {{"url": "https://ada:{D["pullstep"]}@git.example/x", "access_token": "{D["query"]}"}}
        deployment.pull_steps = [{{"prefect.deployments.steps.run_shell_script": {{"script": "true", "env": step}}}}]
        return deployment


class raising(Builder):
    when: str
    def update_deployment(self, deployment):
        if self.when == "before":
            raise RuntimeError("no login at postgresql://etl:{K["raised"]}@db")
        return deployment
    def after_deployment(self, deployment):
        if self.when == "after":
            raise RuntimeError("refused: Authorization: Bearer {K["afterwards"]}\\x1b]0;pwned\\x07")


@recipe
def planted(name: str, env_vars: dict[str, str], login: Login, key: SecretStr, when: str = "never"):
    env = {{**env_vars, "PLAIN": key.get_secret_value(), "DSN_OF": "postgresql://etl:{D["envaddress"]}@db"}}
    return (
        namer(name=name) | process(work_pool="UNIQUE", env=env) | versioneer(strategy="increment") | pulling()
        | describer(text="see https://ada:{D["description"]}@wiki.example") | raising(when=when)
        | parameters(values={{"login": login.model_dump(), "tokens": ["{D["listed"]}"]}})
        | job_variables(values={{"command": COMMAND}})
        | scheduler(schedule={{"cron": "0 9 * * *", "parameters": {{"password": "{D["schedule"]}"}}}})
    )


@recipe
def from_git(name: str, repository: str, token: str | None = None):
    return namer(name=name) | process(work_pool="UNIQUE") | git_code(repository=repository, token=token, branch="main")
"""

GOOD = (
    f'{{name: good, env_vars: {{DB_PASSWORD: "{D["envname"]}", TOKEN_PROD: "{D["envsuffix"]}"}},'
    f' login: {{user: ada, password: "{D["parameter"]}"}}, key: "{D["plainenv"]}"}}'
)


def project_file(*entries: str) -> str:
    """A project file with these entries."""
    lines = "\n".join(f"    - {{recipe: {entry}}}" for entry in entries)
    return f"project: UNIQUE\nrecipes: [recipes]\ndeployments:\n  UNIQUE:\n{lines}\n"


def git(**variables: str) -> str:
    """An entry that clones."""
    return f"from_git, variables: {json.dumps({'name': 'git', **variables})}"


BAD = (
    git(repository="https://git.example/x.git", token=K["gittoken"]),
    git(repository=f"https://ada:{K['gitpassword']}@git.example/x.git"),
    git(repository=f"http://{K['githttp']}@git.example/x.git"),
    git(repository=f"git+https://{K['gitplus']}@git.example/x.git"),
    git(repository=f"https://git.example/x.git?private_token={K['gitquery']}"),
    f'planted, variables: {{name: a, env_vars: {{DB_PASSWORD: ["{K["wrongtype"]}"]}}, login: {{user: a, password: b}}, key: c}}',
    f'planted, variables: {{name: b, env_vars: {{}}, login: {{password: "{K["badmodel"]}"}}, key: c}}',
    f'planted, variables: {{name: c, env_vars: "redis://:{K["badaddress"]}@cache", login: {{user: a, password: b}}, key: c}}',
    GOOD.join(("planted, variables: ", "")).replace("name: good", "name: d, when: before"),
)


def files(file: str) -> dict[str, str]:
    """A project."""
    return {"flow.py": FLOW, "recipes.py": RECIPES, "meta_prefect.yaml": file}


def told_by(server: Api, name: str) -> str:
    """Everything that the server has to tell of what happened, one line for each object.

    Deployments and their runs are left out.
    """
    # The server's own events of a deployment hold its fields, as the deployment does.
    found = [one for one in events(server) if not one["event"].startswith("prefect.deployment.")]
    for kind in ("artifacts", "flow_runs", "task_runs", "logs"):
        offset = 0
        while page := server.post(f"/{kind}/filter", limit=200, offset=offset):
            found.extend(page)
            offset += 200
    # The runs that its schedules make have a deployment's parameters, as it asks for them.
    text = "\n".join(json.dumps(one, ensure_ascii=False) for one in found if not one.get("deployment_id"))
    assert name in text, "what happened is found"
    return text


def events(server: Api) -> Iterator[Any]:
    """All events."""
    page: Any = server.post("/events/filter", limit=50)
    while page:
        yield from page["events"]
        following: str | None = page.get("next_page")
        page = server.get(following.partition("/api")[2]) if following else None


def logged(server: Api, name: str) -> str | None:
    """The same, once the last lines of the logs have arrived."""
    text = told_by(server, name)
    return text if "recorded in the ledger" in text else None


def found_in(text: str, *secrets: dict[str, str]) -> list[str]:
    """Which planted secrets are in a text."""
    return [place for several in secrets for place, secret in several.items() if secret in text]


def around(line: str) -> str:
    """What a line begins with, and what stands around the first secret in it."""
    place = min(line.find(secret) for planted in (D, K, L) for secret in planted.values() if secret in line)
    return f"{line[:150]} … {line[max(0, place - 200) : place + 100]}"


def job_variables(live: Any) -> Any:
    """The environment variables of a live deployment."""
    return live["job_variables"]["env"]


def test_a_deploy_tells_nothing_of_the_secrets_that_it_writes(
    server: Api, project: Callable[..., Path], unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The deployment holds them; neither output nor artifacts, runs, logs or events do, and the next plan is empty."""
    root = project(**files(project_file(f"planted, variables: {GOOD}")))

    report = deploy((str(root),))

    live = server.deployment(f"{unique}/good-dev")
    assert found_in(json.dumps(live), D) == list(D)
    told = wait_until(lambda: logged(server, unique), what="the logs arrive")
    assert found_in(told, D) == []
    assert "(hidden)" in told
    assert found_in(report.model_dump_json(), D) == []
    again = deploy((str(root),), dry_run=True)
    assert again.plan is not None
    assert not again.plan.has_changes
    captured = capsys.readouterr()
    assert found_in(captured.out + captured.err, D) == []


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_secrets_are_found_nowhere(
    server: Api, project: Callable[..., Path], unique: str, run_cli: Cli, prefect_home: Path
) -> None:
    """Plans, deploys that fail, drift, rollbacks and a bootstrap print and store none of more than thirty planted secrets."""
    root = project(**files(project_file(f"planted, variables: {GOOD}")))
    # A server that asks for them takes no others; one that does not takes any.
    user, _, password = os.environ.get("PREFECT_API_AUTH_STRING", f"ada:{K['apipassword']}").partition(":")
    access = {
        "PREFECT_API_URL": server.url.replace("://", f"://{user}:{password}@"),
        "PREFECT_API_AUTH_STRING": f"{user}:{password}",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
    }
    told: list[str] = []

    def run(*arguments: str, ends: int | None, says: str = "", **env: str) -> str:
        done = run_cli(*arguments, cwd=root, env={**access, **env})
        assert ends in (None, done.returncode), f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert says in done.stdout + done.stderr, f"{arguments}: {done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert "\x1b]0;" not in done.stdout + done.stderr
        told.append(done.stdout + done.stderr)
        return done.stdout

    run("plan", "--output", "json", ends=2, says="(hidden)")
    run("deploy", ends=0, says="1 created")
    run("deploy", "--debug", ends=0)
    live = server.deployment(f"{unique}/good-dev")
    changed = {**live["job_variables"], "env": {**job_variables(live), "DB_PASSWORD": L["liveenv"]}}
    changed["env"]["DSN_OF"] = f"postgresql://etl:{L['liveaddress']}@db"
    server.patch(
        f"/deployments/{live['id']}",
        job_variables=changed,
        parameters={**live["parameters"], "login": {"user": "ada", "password": L["liveparameter"]}},
    )
    run("status", ends=2, says="drifted")
    run("status", "--output", "json", ends=2, says="(hidden)")
    run("plan", ends=2, says='job_variables.env.DB_PASSWORD: "(hidden)" → (secret, changed)')
    run("deploy", ends=0, says="1 updated")
    run("history", f"{unique}/good-dev", "--output", "json", ends=0, says="(hidden)")
    run("rollback", f"{unique}/good-dev", "--dry-run", ends=0)
    run("rollback", f"{unique}/good-dev", ends=0)
    for entries in (BAD[:-1], BAD[-1:]):
        (root / "meta_prefect.yaml").write_text(project_file(*entries).replace("UNIQUE", unique))
        errors = json.loads(run("validate", "--output", "json", ends=1))["errors"]
        assert len(errors) == len(entries)
        run("deploy", ends=1)
    late = f"planted, variables: {GOOD}".replace("name: good", "name: late, when: after")
    (root / "meta_prefect.yaml").write_text(project_file(late).replace("UNIQUE", unique))
    run("deploy", ends=1, says="refused: Authorization")
    run("deploy", "--atomic", ends=1)
    run("deploy", ends=1, says="(got 'https://(hidden", META_PREFECT__START_WORKER=f"https://ada:{K['setting']}@x")
    for given in (
        f"db_tokens={K['settokens']}",
        f'env_vars={{"DB_PASSWORD": "{K["setnested"]}"}}',
        f"index=https://ada:{K['setaddress']}@pypi.example/simple",
    ):
        run("bootstrap", "--set", given, ends=1, says="a secret is named, never written down")
    run("worker", "status", ends=None)  # other tests may have started one
    unreachable = re.sub(r":\d+/api$", ":1/api", access["PREFECT_API_URL"])
    run("plan", ends=1, says="does not answer", PREFECT_API_URL=unreachable)

    everything = "\n".join((*told, told_by(server, unique)))
    assert [around(line) for line in everything.splitlines() if password in line or found_in(line, D, K, L)] == []
    stored = b"".join(file.read_bytes() for file in prefect_home.rglob("*") if file.is_file()).decode(errors="replace")
    assert unique in stored
    assert found_in(stored, K) == []
    assert os.environ["PREFECT_API_URL"] in server.url


def test_a_rollback_leaves_a_secret_that_the_ledger_does_not_know(
    server: Api, project: Callable[..., Path], unique: str, run_cli: Cli
) -> None:
    """The secret stays as it is now, which is said; everything else goes back, and no word of what hides it is written."""
    file = project_file(f"planted, variables: {GOOD}")
    root = project(**files(file))
    deploy((str(root),))
    (root / "meta_prefect.yaml").write_text(
        file.replace("UNIQUE", unique).replace(D["envname"], "another-one").replace("user: ada", "user: bob")
    )
    deploy((str(root),))

    done = run_cli("rollback", f"{unique}/good-dev", cwd=root)

    assert done.returncode == 0, done.stderr
    assert "job_variables.env.DB_PASSWORD stays as it is: the ledger keeps no secrets" in done.stderr
    live = server.deployment(f"{unique}/good-dev")
    assert job_variables(live)["DB_PASSWORD"] == "another-one"
    assert job_variables(live)["TOKEN_PROD"] == D["envsuffix"]
    assert live["parameters"]["login"]["user"] == "ada"
    assert "(hidden" not in json.dumps(live)
