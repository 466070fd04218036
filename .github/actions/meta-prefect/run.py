"""Run a command of Meta-Prefect for a workflow, and keep one comment of the pull request up to date. Needs Python alone.

The inputs come as ``INPUT_…`` environment variables, and what GitHub tells of the event as its own ``GITHUB_…``.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PER_PAGE = 100
KEPT = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "NO_COLOR"})
"""What a check of a fork's sources gets of the environment: nothing that may be secret."""
NEWEST_RUN = re.compile(r"meta-prefect deploy --env \S+ --plan ([0-9a-f-]{36})")


def main() -> int:
    """Run the command; returns its exit code, but 0 for a plan that finds differences."""
    command, environment = given("COMMAND"), given("ENVIRONMENT")
    if command not in {"validate", "plan", "deploy"}:
        return refused(f"command: {command!r} is none of validate, plan and deploy")
    call = [*shlex.split(given("PROGRAM")), command, "--env", environment, *shlex.split(given("OPTIONS"))]
    if command == "validate":
        return validate(call)
    if is_of_a_stranger():
        return refused(
            f"{command}: this pull request is a fork's, whose code it would run; `validate` reads its sources alone"
        )
    if command == "plan":
        return plan(call, environment)
    if chosen := given("PLAN"):
        run = commented_plan(environment) if chosen == "commented" else chosen
        if run is None:
            return refused("plan: no comment of the merged pull request has a plan of this folder and environment")
        call += ["--plan", run]
    return subprocess.run(call, check=False).returncode


def validate(call: list[str]) -> int:
    """Check, and annotate the files; of a fork's code nothing runs unless the workflow says that it may."""
    environment = None
    if given("SOURCES_ONLY") == "true" or (is_of_a_stranger() and given("SOURCES_ONLY") != "false"):
        call = [*call, "--sources-only"]
        # What is not there cannot be told; and a file of the project is none of Python's modules.
        environment = {key: value for key, value in os.environ.items() if key in KEPT} | {"PYTHONSAFEPATH": "1"}
    elif is_of_a_stranger() and os.environ.get("GITHUB_EVENT_NAME") == "pull_request_target":
        return refused("sources-only: `pull_request_target` has secrets, and a fork's code does not run beside them")
    done = subprocess.run(
        [*call, "--output", "github"], stdout=subprocess.PIPE, text=True, check=False, env=environment
    )
    print(from_the_top(done.stdout), end="")
    return done.returncode


def is_of_a_stranger() -> bool:
    """Whether the event is about a pull request from another repository; one that is gone counts as such."""
    pull = event().get("pull_request")
    home = pull and (pull.get("head") or {}).get("repo")
    return pull is not None and (home or {}).get("full_name") != os.environ.get("GITHUB_REPOSITORY")


def plan(call: list[str], environment: str) -> int:
    """Plan; the result goes to the job's summary, to the outputs, and into the comment."""
    done = subprocess.run([*call, "--output", "markdown"], capture_output=True, text=True, check=False)
    print(done.stderr, file=sys.stderr, end="")
    found = NEWEST_RUN.search(done.stdout)
    is_planned = done.returncode in {0, 2}
    text = done.stdout if is_planned else f"### There is no plan for `{environment}`\n\n{fenced(done.stderr)}"
    print(text)
    append("GITHUB_STEP_SUMMARY", text)
    append("GITHUB_OUTPUT", f"changes={'true' if done.returncode == 2 else 'false'}")
    append("GITHUB_OUTPUT", f"plan-run={found[1] if found else ''}")
    number = event().get("pull_request", {}).get("number")
    if number is not None and given("TOKEN"):
        comment(number, f"{marker(environment)}\n{text}")
    return 0 if is_planned else done.returncode


def from_the_top(annotations: str) -> str:
    """Annotations that name files from the top of the repository, as GitHub finds them, and not from the project's folder."""
    folder = os.path.normpath(given("DIRECTORY"))
    return (
        annotations
        if folder == "."
        else re.sub(r"(?m)^(::\w+ file=)", lambda found: f"{found[1]}{folder}/", annotations)
    )


def comment(number: int, text: str) -> None:
    """Write the comment, or change the one that is there; a token that may not does not fail the plan."""
    repository = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    try:
        mine = find_comment(number, text.partition("\n")[0])
        if mine is None:
            request("POST", f"{repository}/{number}/comments", {"body": text})
        elif mine["body"] != text:
            request("PATCH", f"{repository}/comments/{mine['id']}", {"body": text})
    except urllib.error.HTTPError as error:
        print(
            f"::warning::The plan is not commented: GitHub answers {error.code}. Does the job have `pull-requests: write`?"
        )


def commented_plan(environment: str) -> str | None:
    """The run of the plan that was commented on the pull request from which the present commit came."""
    pulls = request("GET", f"/repos/{os.environ['GITHUB_REPOSITORY']}/commits/{os.environ['GITHUB_SHA']}/pulls")
    for pull in pulls:
        found = find_comment(pull["number"], marker(environment))
        if found is not None and (run := NEWEST_RUN.search(found["body"])):
            return run[1]
    return None


def find_comment(number: int, beginning: str) -> dict[str, Any] | None:
    """The comment that begins so; only one that a workflow wrote counts, as anybody may comment."""
    written = (one for one in comments(number) if one["body"].startswith(beginning))
    return next((one for one in written if one["user"]["type"] == "Bot"), None)


def comments(number: int) -> Iterator[dict[str, Any]]:
    """Every comment of a pull request."""
    page = 1
    while True:
        path = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues/{number}/comments?per_page={PER_PAGE}&page={page}"
        found = request("GET", path)
        yield from found
        if len(found) < PER_PAGE:
            return
        page += 1


def marker(environment: str) -> str:
    """The invisible line by which the comment of this folder and environment is found again."""
    return f"<!-- meta-prefect {json.dumps([given('DIRECTORY'), environment])} -->"


def request(method: str, path: str, body: object = None) -> Any:
    """Ask GitHub's API."""
    asked = urllib.request.Request(  # noqa: S310 - the address is GitHub's own
        f"{os.environ['GITHUB_API_URL']}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {given('TOKEN')}", "Accept": "application/vnd.github+json"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def event() -> dict[str, Any]:
    """What set the workflow off."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    return json.loads(Path(path).read_text()) if path else {}


def append(variable: str, text: str) -> None:
    """Add to a file that GitHub reads."""
    if path := os.environ.get(variable):
        with Path(path).open("a") as file:
            file.write(f"{text}\n")


def fenced(text: str) -> str:
    """A block of code, whatever it holds."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text.strip()}\n{fence}"


def refused(why: str) -> int:
    """Say what is wrong with an input."""
    print(f"::error::{why}")
    return 1


def given(name: str) -> str:
    """An input."""
    return os.environ.get(f"INPUT_{name}", "")


if __name__ == "__main__":
    sys.exit(main())
