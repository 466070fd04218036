"""Headless Chromium on the Prefect UI of the session's server, and a project whose deployer is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from support import Api

KEPT = os.environ.get("META_PREFECT_PICTURES")
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
FLOW = """\
from prefect import flow


@flow(name="{name}")
def load(rows: int = 10) -> int:
    \"\"\"Load rows.\"\"\"
    return rows
"""
FILE = """\
project: {name}
deployments:
  {name}:
    - recipe: local_run_deployer
      variables:
        name: nightly
        schedule: {{cron: "0 9 * * 1-5", timezone: US/Pacific}}
"""


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
    made = context.new_page()
    made.set_default_timeout(30_000)
    yield made
    context.close()


@pytest.fixture(scope="module")
def deployer(server: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a project that has a deployer, and nothing deployed."""
    name = "shop" if KEPT else f"shop-{uuid.uuid4().hex[:6]}"
    root = tmp_path_factory.mktemp("project")
    (root / "flow.py").write_text(FLOW.format(name=name))
    (root / "meta_prefect.yaml").write_text(FILE.format(name=name))
    # A process of its own: the browser's event loop runs in this one.
    command = [sys.executable, "-m", "meta_prefect.cli", "bootstrap", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return name


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go; `META_PREFECT_PICTURES=.github/pictures` renews those of the README."""
    folder = Path(KEPT) if KEPT else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
