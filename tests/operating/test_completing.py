"""Completion in shells: names that the project's files hold, without running any of its code."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from meta_prefect.cli.app import app

FILE = """
project: sales
environments: {dev: , staging: , prod: {called: production}}
recipes: [recipes]
deployments:
  etl:
    - {recipe: local_run_deployer, variables: {name: nightly}, overrides: {prod: {name: daily}}}
    - {recipe: own, variables: {name: hourly}, environments: [dev]}
  month end:
    - {recipe: own, variables: {name: it's, env: staging}}
"""
FLOWS = """
from prefect import flow

raise SystemExit("this code has run")

@flow
def loose() -> None: ...
"""
RECIPES = """
import meta_prefect

raise SystemExit("this code has run")

@meta_prefect.recipe(extends=None)
def own() -> None: ...
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose code cannot be run."""
    for name, text in {"meta_prefect.yaml": FILE, "flows.py": FLOWS, "recipes.py": RECIPES}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def proposed(capsys: pytest.CaptureFixture[str], *words: str) -> set[str]:
    """What a shell would propose for the last word."""
    app(["__complete", *words], result_action="return_value")
    lines = capsys.readouterr().out.split("\n")
    return {line.partition("\t")[0] for line in lines if line and not line.startswith("\x1f")}  # that begins the answer


@pytest.mark.parametrize(
    ("line", "names"),
    [
        pytest.param(
            "deploy ",
            {"etl", "etl/nightly-dev", "etl/hourly-dev", "month end", "month end/it's-staging", "loose"},
            id="targets",
        ),
        pytest.param(
            "plan --env prod ",
            {"etl", "etl/daily-production", "month end", "month end/it's-staging", "loose"},
            id="targets in an environment",
        ),
        pytest.param(
            "history ",
            {
                "etl/nightly-dev",
                "etl/hourly-dev",
                "etl/nightly-staging",
                "etl/daily-production",
                "month end/it's-staging",
            },
            id="deployments",
        ),
        pytest.param("hold --env staging ", {"etl/nightly-staging", "month end/it's-staging"}, id="of one environment"),
        pytest.param("promote --from ", {"dev", "staging", "prod"}, id="environments"),
    ],
)
def test_names_of_the_project_are_proposed(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, names: set[str]
) -> None:
    """Each where it is meant, by the environment that stands in the line; spaces and quotes are the shell's affair."""
    monkeypatch.chdir(root)
    monkeypatch.delenv("META_PREFECT__ENV", raising=False)
    assert proposed(capsys, *line.split(" ")) == names


def test_recipes_are_proposed_from_another_folder_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Installed ones, and those of the project that the line is about."""
    assert {"local_run_deployer", "own"} <= proposed(capsys, "recipes", "--path", str(root), "")


@pytest.mark.parametrize("file", ["deployments: [", "deployments: {etl: [{recip: x}]}"])
def test_a_file_that_is_wrong_proposes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    """It is being written, perhaps; a shell's line is no place for errors."""
    (root / "meta_prefect.yaml").write_text(file)
    monkeypatch.chdir(root)
    assert proposed(capsys, "deploy", "") == set()


def test_proposing_loads_nothing_of_prefect(root: Path) -> None:
    """It takes seconds to load, and a user waits for the tab key."""
    script = (
        "import sys; from meta_prefect.cli.app import app; app(['__complete', 'deploy', ''], result_action='return_value');"
        "print([one for one in sys.modules if one.partition('.')[0] in ('prefect', 'httpx')])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    ("shell", "setup"),
    [
        (["bash", "--norc", "-i"], "source <(meta-prefect completion bash)"),
        (["zsh", "-f", "-i"], "source <(meta-prefect completion zsh)"),
        (["fish", "--no-config", "-i"], "meta-prefect completion fish | source"),
    ],
    ids=["bash", "zsh", "fish"],
)
def test_the_tab_key_completes_a_name_in_a_shell(root: Path, shell: list[str], setup: str) -> None:
    """On a terminal: the name of a deployment is there in full after its first letters and the key."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"there is no {shell[0]} here")
    terminal = Terminal(shell, root)
    try:
        terminal.type(f"{setup}; echo REA''DY\n", until="READY")
        terminal.type("meta-prefect history etl/d\t", until="aily-production")
    finally:
        terminal.close()


class Terminal:
    """A shell on a terminal."""

    def __init__(self, shell: list[str], folder: Path) -> None:
        environment: dict[str, Any] = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "TERM": "xterm",
        }
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.chdir(folder)
            os.execvpe(shell[0], shell, environment)  # noqa: S606 - on its own terminal

    def type(self, text: str, until: str) -> None:
        """Type, and wait until something stands on the screen."""
        os.write(self._terminal, text.encode())
        screen, latest = b"", time.monotonic() + 60
        while until.encode() not in screen:
            if not select.select([self._terminal], [], [], max(0, latest - time.monotonic()))[0]:
                raise AssertionError(f"{until!r} does not come: {screen!r}")
            screen += os.read(self._terminal, 65536)
            if b"\x1b[c" in screen or b"\x1b[0c" in screen:  # fish asks what terminal this is, and waits for the answer
                os.write(self._terminal, b"\x1b[?62;c")
                screen = screen.replace(b"\x1b[c", b"").replace(b"\x1b[0c", b"")

    def close(self) -> None:
        """End the shell."""
        os.kill(self._process, 9)
        os.waitpid(self._process, 0)
        os.close(self._terminal)
