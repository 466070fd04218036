"""``python -m meta_prefect.local.guarded_worker LOCK ARGUMENT…``: a Prefect worker that ends with its server.

Another process that takes over the server's port would receive the worker's API auth string and could hand it work. So once
the server has ended, for whatever reason, the worker and the runs it is executing are killed before they send anything more.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import psutil

from meta_prefect.local import lifeline


def end_with_the_server(lock: Path) -> None:
    """Block until the server has ended, then kill this process and everything it started."""
    lifeline.wait_for_its_end(lock)
    myself = psutil.Process()
    for child in myself.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    sys.stderr.write("The Prefect server has ended, and so does this worker.\n")
    sys.stderr.flush()
    os.kill(myself.pid, signal.SIGKILL)


def main(lock: Path, arguments: Sequence[str]) -> None:
    """Run ``prefect`` with the arguments for as long as the server lives.

    Args:
        lock: The lock file held by the server.
        arguments: The arguments after ``prefect`` on the command line.
    """
    Thread(target=end_with_the_server, args=(lock,), name="watch the server", daemon=True).start()
    sys.argv = ["prefect", *arguments]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
