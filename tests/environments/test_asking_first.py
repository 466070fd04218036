"""What a deploy shows and asks about on a terminal before it writes."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Api
from texts import WORK_FLOW

FILE = """
    project: UNIQUE
    environments:
      dev:
      prod: {protected: true}
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: nightly, version: "1", parameters: {n: NUMBER}}
"""


def on_a_terminal(root: Path, *arguments: str, answer: str) -> tuple[int, str]:
    """Run a deploy on a terminal, and answer the question that it asks; returns its exit code and all that it has shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "meta_prefect.cli", "deploy", str(root), *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    is_answered = False
    while chunk := _read(ours):
        shown += chunk
        if b"[y/N]" in shown and not is_answered:
            os.write(ours, f"{answer}\n".encode())
            is_answered = True
    os.close(ours)
    return process.wait(timeout=60), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # what Linux says of a terminal that nobody has open any more
        return b""


def test_a_protected_environment_is_written_after_a_yes(server: Api, project: Callable[..., Path], unique: str) -> None:
    """The plan is shown; no leaves all as it is, yes applies it; what has no change is not asked about."""
    root = project(flow=WORK_FLOW, **{"meta_prefect.yaml": FILE.replace("NUMBER", "1")})
    name = f"{unique}/nightly-prod"
    code, shown = on_a_terminal(root, "--env", "prod", answer="")
    assert (code, server.deployment(name)) == (1, None)
    for part in (f"+ deployment {name}", "Deploy this to prod? [y/N]", "Nothing was written."):
        assert part in shown

    code, shown = on_a_terminal(root, "--env", "prod", answer="y")
    assert (code, server.deployment(name)["parameters"]) == (0, {"n": 1})
    assert "1 created in prod" in shown
    code, shown = on_a_terminal(root, "--env", "prod", answer="n")
    assert (code, "[y/N]" in shown) == (0, False)


@pytest.mark.thorough
def test_what_is_pruned_is_asked_about(server: Api, project: Callable[..., Path], unique: str) -> None:
    """`--prune` names what it would delete; with `--yes` it is not asked about."""
    root = project(flow=WORK_FLOW, **{"meta_prefect.yaml": FILE.replace("NUMBER", "1")})
    name = f"{unique}/nightly-dev"

    def deployed() -> list[str]:
        return [one["name"] for one in server.deployments_of(unique)]

    other = root.joinpath("meta_prefect.yaml").read_text().replace("nightly", "daily")
    code, shown = on_a_terminal(root, "--prune", answer="n")
    assert (code, "[y/N]" in shown) == (0, False)
    root.joinpath("meta_prefect.yaml").write_text(other)
    code, shown = on_a_terminal(root, "--prune", answer="n")
    assert (code, f"- deployment {name}" in shown, deployed()) == (1, True, ["nightly-dev"])
    code, shown = on_a_terminal(root, "--prune", "--yes", answer="n")
    assert (code, "[y/N]" in shown, deployed()) == (0, False, ["daily-dev"])
