"""The entry point of the command line's process."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Final

_OBJECTS: Final = 200_000
"""How many new objects trigger a garbage collection; Python's default is 700 to 2,000."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command in this process and exit with its exit code."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, _end_at_once)
    _collect_rarely()
    from meta_prefect.local.unreadable_home import ignore_home_files

    sys.excepthook = print_traceback
    note = ignore_home_files(os.environ)
    from meta_prefect.cli.app import main as run_command
    from meta_prefect.cli.output import Output

    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if note is not None:
        Output().note(note)
    run_command(arguments)


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback (of a bug, or with ``--debug``) without secrets and control characters, like all other output."""
    from meta_prefect.texts import presentable

    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(presentable(text, longest=None))


def _end_at_once(*_: object) -> None:
    """Exit while the program is still being loaded, when an exception could surface anywhere."""
    os.write(2, b"interrupted\nNothing was written.\n")
    os._exit(130)


def _collect_rarely() -> None:
    """Make garbage collection rare.

    Importing Prefect creates half a million permanent objects. Scanning them repeatedly for garbage, and once more at exit,
    takes a quarter of the run time of a deploy with nothing to do.
    """
    gc.set_threshold(_OBJECTS, 30, 30)
    atexit.register(gc.freeze)
