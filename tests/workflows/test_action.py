"""The action for workflows: its own steps in a shell, a recorded event, a real Prefect server, and a double of GitHub's API."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import Api

ACTION = Path(__file__).parents[2] / ".github" / "actions" / "meta-prefect"
STEPS: list[dict[str, Any]] = yaml.safe_load((ACTION / "action.yml").read_text())["runs"]["steps"]
INPUTS: dict[str, dict[str, Any]] = yaml.safe_load((ACTION / "action.yml").read_text())["inputs"]
REPOSITORY = "/repos/acme/sales"


class GitHub:
    """What GitHub answers of one repository's comments and merged pull requests.

    Attributes:
        comments: Those of pull request 7, the oldest first.
        asked: Every request, as method and path.
        answer: A code with which everything is refused; 0 for none.
    """

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.answer = 0
        github = self

        class Handler(BaseHTTPRequestHandler):
            def respond(self) -> None:
                github.asked.append(f"{self.command} {self.path}")
                length = int(self.headers.get("Content-Length") or 0)
                body: dict[str, Any] = json.loads(self.rfile.read(length) or b"{}")
                is_known = self.headers["Authorization"] == "Bearer of-the-job"
                document = github.respond(self.command, self.path, body) if is_known else None
                self.send_response(github.answer or (200 if document is not None else 401))
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            do_GET = do_POST = do_PATCH = respond  # noqa: N815 - the names that the library asks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def respond(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """The answer to one request, by the paths of GitHub's documentation."""
        match method, re.sub(r"\?.*", "", path).removeprefix(REPOSITORY):
            case "GET", "/issues/7/comments":
                per_page, page = (int(re.findall(rf"\b{key}=(\d+)", path)[0]) for key in ("per_page", "page"))
                return self.comments[per_page * (page - 1) : per_page * page]
            case "POST", "/issues/7/comments":
                return self.say(body["body"])
            case "PATCH", changed:
                (one,) = [one for one in self.comments if changed == f"/issues/comments/{one['id']}"]
                one["body"] = body["body"]
                return one
            case "GET", "/commits/abc/pulls":
                return [{"number": 7}]
            case _:
                raise AssertionError((method, path))

    def say(self, body: str, author: str = "Bot") -> dict[str, Any]:
        """Write a comment."""
        self.comments.append({"id": len(self.comments), "body": body, "user": {"type": author}})
        return self.comments[-1]

    @property
    def said(self) -> list[str]:
        """What workflows have commented."""
        return [one["body"] for one in self.comments if one["user"]["type"] == "Bot"]


@pytest.fixture
def github() -> Generator[GitHub]:
    """A double of GitHub on loopback."""
    github = GitHub()
    yield github
    github.http.shutdown()
    github.http.server_close()


class Job:
    """A job of a workflow that uses the action in a project's folder."""

    def __init__(self, project: Path, github: GitHub) -> None:
        self.project, self.output, self.page = project, project.parent / "output", project.parent / "summary"
        self.event = project.parent / "event.json"
        self.comes_from("acme/sales")
        host, port = github.http.server_address[:2]
        self.environment = {
            **os.environ,
            "GITHUB_ACTION_PATH": str(ACTION),
            "GITHUB_API_URL": f"http://{host!s}:{port}",
            "GITHUB_REPOSITORY": "acme/sales",
            "GITHUB_EVENT_PATH": str(self.event),
            "GITHUB_SHA": "abc",
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.page),
        }

    def comes_from(self, repository: str | None) -> None:
        """Let the pull request be one from this repository; None for one that has been deleted."""
        head = {"ref": "change", "repo": repository and {"full_name": repository, "fork": repository != "acme/sales"}}
        pull = {"number": 7, "head": head, "base": {"ref": "main", "repo": {"full_name": "acme/sales"}}}
        self.event.write_text(json.dumps({"action": "synchronize", "number": 7, "pull_request": pull}))

    def uses(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run the action's steps."""
        self.output.unlink(missing_ok=True)
        program = f"{sys.executable} -m meta_prefect.cli"
        given = {key: str(one.get("default", "")) for key, one in INPUTS.items()}
        given |= {"directory": str(self.project), "program": program, "token": "of-the-job", **inputs}
        done: subprocess.CompletedProcess[str] | None = None
        for step in STEPS:
            if step.get("if") == "inputs.install != ''" and not given["install"]:
                continue
            texts: dict[str, str] = {"run": step["run"], "folder": step["working-directory"], **step.get("env", {})}
            filled = {
                key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], text)
                for key, text in texts.items()
            }
            command, folder = filled.pop("run"), filled.pop("folder")
            done = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", command],
                cwd=folder,
                env={**self.environment, **filled},
                capture_output=True,
                text=True,
                check=False,
                timeout=240,
            )
        assert done is not None
        return done

    def outputs(self) -> dict[str, str]:
        """What the steps after it get."""
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())


@pytest.fixture
def job(project: Any, unique: str, github: GitHub) -> Job:
    """A job in a project of one flow."""
    flow = f"from prefect import flow\n\n\n@flow(name='{unique}')\ndef work() -> None: ...\n"
    file = f"project: {unique}\ndeployments:\n  {unique}:\n    - {{recipe: local_run_deployer, variables: {{name: nightly}}}}\n"
    return Job(project(**{"flows.py": flow, "meta_prefect.yaml": file}), github)


def test_a_pull_request_from_its_plan_to_what_is_merged(job: Job, server: Api, github: GitHub, unique: str) -> None:
    """One comment, which is kept up to date and not repeated; what is merged is what it says, to the letter."""
    github.say("<!-- meta-prefect of somebody else -->", author="User")
    planned = job.uses(command="plan")
    first = job.outputs()
    again = job.uses(command="plan")
    second = job.outputs()

    assert (planned.returncode, again.returncode) == (0, 0), planned.stderr
    assert (first["changes"], second["changes"]) == ("true", "true")
    (comment,) = github.said
    assert f"+ deployment {unique}/nightly-dev" in comment
    assert f"meta-prefect deploy --env dev --plan {second['plan-run']}" in comment
    assert comment.partition("\n")[2].strip() in job.page.read_text()

    merged = job.uses(command="deploy", plan="commented")
    assert merged.returncode == 0, merged.stderr
    assert server.deployment(f"{unique}/nightly-dev")["version"] == "1"
    outdated = job.uses(command="deploy", plan="commented")
    assert outdated.returncode == 1
    assert "no longer" in outdated.stderr or "moved" in outdated.stderr or "outdated" in outdated.stderr

    nothing_left = job.uses(command="plan")
    assert (nothing_left.returncode, job.outputs()["changes"]) == (0, "false")
    assert len(github.said) == 1
    assert "1 next version" in github.said[0]
    assert "--plan" not in github.said[0]


def test_what_cannot_be_planned_is_commented_too(job: Job, server: Api, github: GitHub) -> None:
    """The error stands in the comment and in the summary, and the job fails; a check without a server annotates the file."""
    (job.project / "meta_prefect.yaml").write_text("deployments:\n  work:\n    - {recipe: local_run_deployr}\n")
    planned, checked = job.uses(command="plan"), job.uses(command="validate")
    assert (planned.returncode, checked.returncode) == (1, 1)
    (comment,) = github.said
    assert "### There is no plan for `dev`" in comment
    assert "Did you mean 'local_run_deployer'?" in comment
    assert "Did you mean 'local_run_deployer'?" in job.page.read_text()
    assert f"::error file={job.project}/meta_prefect.yaml,line=3" in checked.stdout


def test_comments_are_found_behind_many_others_and_anybody_s_do_not_count(job: Job, github: GitHub) -> None:
    """The marker in a comment of a user leads to no plan; a page of other comments does not hide ours."""
    (job.project / "meta_prefect.yaml").write_text("deployments: []\n")
    job.uses(command="plan")
    (mine,) = github.said
    github.comments = [{"id": number, "body": mine, "user": {"type": "User"}} for number in range(150)]
    job.uses(command="plan")
    job.uses(command="plan")
    assert len(github.said) == 1

    github.comments = [{**one, "user": {"type": "User"}} for one in github.comments]
    deployed = job.uses(command="deploy", plan="commented")
    assert deployed.returncode == 1
    assert "::error::plan: no comment of the merged pull request has a plan" in deployed.stdout


@pytest.mark.parametrize(
    ("inputs", "code", "said"),
    [
        pytest.param({"command": "destroy"}, 1, "::error::command: 'destroy' is none of", id="no such command"),
        pytest.param({"command": "plan", "token": ""}, 1, "There is no plan for", id="no token, no comment"),
        pytest.param({"command": "plan", "token": "expired"}, 1, "::warning::The plan is not commented", id="refused"),
    ],
)
def test_what_the_job_is_told(job: Job, github: GitHub, inputs: dict[str, str], code: int, said: str) -> None:
    """A wrong input is an error; a comment that cannot be written is a warning with what the job needs."""
    (job.project / "meta_prefect.yaml").write_text("deployments: []\n")
    done = job.uses(**inputs)
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout
    assert github.said == []


@pytest.mark.parametrize("repository", ["stranger/sales", None], ids=["a fork", "a fork that is gone"])
def test_a_fork_s_code_does_not_run(job: Job, github: GitHub, repository: str | None) -> None:
    """Its sources are read, without what the job's environment holds; what would run its code is refused."""
    job.comes_from(repository)
    file = job.project / "meta_prefect.yaml"
    (job.project / "own.py").write_text("raise SystemExit('this code has run')\n\ndef own(): ...\n")
    file.write_text(f"recipes: [own]\n{file.read_text()}    - {{recipe: own}}\n")
    job.environment["GITHUB_EVENT_NAME"] = "pull_request_target"
    checked = job.uses(command="validate")
    assert (checked.returncode, "valid as far as its sources say: 2 deployments" in checked.stdout) == (0, True)
    assert "::notice::not checked: meta_prefect.yaml:6:7:" in checked.stdout
    for inputs in ({"command": "plan"}, {"command": "deploy"}, {"command": "validate", "sources-only": "false"}):
        refused = job.uses(**inputs)
        assert (refused.returncode, "::error::" in refused.stdout, "fork's" in refused.stdout) == (1, True, True)
    assert github.asked == []


def test_the_workflows_of_the_guide_are_sound() -> None:
    """They use inputs that the action has, and commands with options that exist."""
    guide = (ACTION.parents[2] / "meta_prefect" / "cli" / "README.md").read_text()
    workflow, gitlab = (
        yaml.safe_load(re.findall(rf"^```yaml {name}.yaml\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)[0])
        for name in ("workflow", "gitlab")
    )
    steps = [step for one in workflow["jobs"].values() for step in one["steps"] if "meta-prefect" in step["uses"]]
    assert {step["with"]["command"] for step in steps} == {"validate", "plan", "deploy"}
    assert {key for step in steps for key in step["with"]} <= INPUTS.keys()
    commands = [line.partition("meta-prefect ")[2] for one in gitlab.values() for line in one["script"]]
    assert [line.split()[0] for line in commands if line] == ["validate", "validate", "plan", "deploy"]
