"""``python -m meta_prefect.local.guarded_worker LOCK ARGUMENT…``: a Prefect worker that ends with its server.

A process that listens where the server did would get the worker's API auth string, and could answer with work. So nothing more is
sent once the server has ended, whichever way: the worker is killed, and the runs that it executes with it.
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
    """Sleep until the server has ended, then kill this process and all it has started."""
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
        lock: The file whose lock the server holds.
        arguments: What follows ``prefect`` on the command line.
    """
    Thread(target=end_with_the_server, args=(lock,), name="watch the server", daemon=True).start()
    sys.argv = ["prefect", *arguments]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
