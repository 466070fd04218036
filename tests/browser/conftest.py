"""Headless Chromium on the Prefect UI of the session's server, and a project whose deployer is there."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from apart import FLOW, KEPT, run_apart
from support import Api

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No other host is there for it. (A handler of requests would only answer while the test talks to the browser.)
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
VERSIONED = """\
from prefect import flow

from meta_prefect.implementations.infra import local_process
from meta_prefect.implementations.metadata import describer, namer, versioneer
from meta_prefect.implementations.run_settings import job_variables


@flow(name="{name}")
def load() -> None:
    pass


load_all = (
    namer(name="region-with-a-name-that-is-rather-long-as-names-go")
    | versioneer(strategy="git")
    | describer(text="{text}")
    | local_process()
    | job_variables(values={{"env": {{"A_VARIABLE_OF_THE_RUNS": "{text}"}}}})
)(load)
"""
FILE = """\
project: {name}
deployments:
  {name}:
"""
ENTRY = """\
    - recipe: local_run_deployer
      variables:
        name: {name}
        schedule: {{cron: "0 9 * * 1-5", timezone: US/Pacific}}
"""


def write_project(root: Path, name: str, *deployments: str) -> str:
    """Write a project of one flow with some deployments."""
    (root / "flow.py").write_text(FLOW.format(name=name))
    entries = [ENTRY.format(name=deployment) for deployment in deployments]
    (root / "meta_prefect.yaml").write_text("".join([FILE.format(name=name), *entries]))
    return str(root)


@pytest.fixture(scope="session")
def chromium() -> Generator[Any]:
    """A browser; skips where playwright or Chromium is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any) -> Generator[Any]:
    """A page of a browser that knows no other host."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1400})
    origin, password = os.environ["PREFECT_API_URL"].removesuffix("/api"), os.environ.get("PREFECT_API_AUTH_STRING")
    if password is not None:  # as `meta-prefect open` leaves it, on the session's server alone
        encoded = base64.b64encode(password.encode()).decode()
        signed_in = f"localStorage.setItem('prefect-password', {json.dumps(encoded)})"
        context.add_init_script(f"if (location.origin === {json.dumps(origin)}) {signed_in}")
    made = context.new_page()
    made.set_default_timeout(30_000)
    yield made
    context.close()


@pytest.fixture(scope="module")
def deployer(server: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a project that has a deployer, and nothing deployed."""
    name = "shop" if KEPT else f"shop-{uuid.uuid4().hex[:6]}"
    run_apart("bootstrap", write_project(tmp_path_factory.mktemp("project"), name, "nightly"), "--watch")
    return name


@pytest.fixture(scope="module")
def committed(server: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a project whose deployment has a long name, a commit as its version, and two deploys in its history."""
    name = f"committed-{uuid.uuid4().hex[:6]}"
    root = tmp_path_factory.mktemp("committed")
    (root / "meta_prefect.yaml").write_text(f"project: {name}\n")
    for text in ("Load rows.", "Load more rows."):
        (root / "flow.py").write_text(VERSIONED.format(name=name, text=text))
        for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", text)):
            who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
            subprocess.run(["git", "-C", str(root), *who, *command], check=True)
        run_apart("deploy", str(root))
    run_apart(
        "rollback", f"{name}/region-with-a-name-that-is-rather-long-as-names-go-dev", "--path", str(root), "--dry-run"
    )
    return name


@pytest.fixture(scope="module")
def hundred(server: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a project of a hundred deployments, all of which one deploy has created."""
    name = f"hundred-{uuid.uuid4().hex[:6]}"
    deployments = [f"nightly-{number:03}" for number in range(100)]
    run_apart("deploy", write_project(tmp_path_factory.mktemp("hundred"), name, *deployments))
    return name


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go; `META_PREFECT_PICTURES=.github/pictures` renews those of the README."""
    folder = Path(KEPT) if KEPT else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
