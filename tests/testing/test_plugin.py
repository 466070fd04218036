"""What pytest finds where Meta-Prefect is installed, in a session of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

TESTS = '''
from pathlib import Path

from meta_prefect.deploy import deploy

def test_it(meta_prefect_server, meta_prefect_snapshot):
    root = Path(__file__).parent
    (root / "flows.py").write_text("from prefect import flow\\n@flow\\ndef load(): ...\\n")
    (root / "meta_prefect.yaml").write_text("""
project: shop
deployments:
  load: [{recipe: process_run_deployer, variables: {name: nightly, work_pool: team}}]
""")
    (outcome,) = deploy([str(root)]).outcomes
    (root / "url.txt").write_text(meta_prefect_server.url)
    meta_prefect_snapshot({"deployment": outcome.deployment, "action": outcome.action})
'''


@pytest.mark.thorough
def test_a_session_has_a_server_and_snapshots(tmp_path: Path) -> None:
    """A deploy of a test goes to a real server of the session's own, which is gone afterwards; a snapshot is written."""
    (tmp_path / "test_shop.py").write_text(TESTS)
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "META_PREFECT_"))}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--meta-prefect-update", "test_shop.py"],
        cwd=tmp_path,
        env={**settings, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    snapshot = tmp_path / "snapshots/test_shop/test_it.yaml"
    assert snapshot.read_text() == "deployment: load/nightly-dev\naction: created\n"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{(tmp_path / 'url.txt').read_text()}/health")
