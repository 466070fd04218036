"""What a browser's tests have in common that is no fixture."""

from __future__ import annotations

import os
import subprocess
import sys

KEPT = os.environ.get("META_PREFECT_PICTURES")
"""Where pictures are kept, which then show a project with a name for people."""

FLOW = """\
from prefect import flow


@flow(name="{name}")
def load(rows: int = 10) -> int:
    \"\"\"Load rows.\"\"\"
    return rows
"""


def run_apart(*arguments: str) -> None:
    """Run `meta-prefect` in a process of its own: the browser's event loop runs in this one."""
    command = [sys.executable, "-m", "meta_prefect.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
