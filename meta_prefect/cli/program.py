"""The process of a command."""

from __future__ import annotations

import atexit
import gc
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from meta_prefect.cli.app import main as run_command
from meta_prefect.texts import presentable

_OBJECTS: Final = 200_000
"""So many more objects than before are a reason to look for garbage; Python's own figure is 700 to 2,000."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command as a process of its own, and exit with its code."""
    _collect_rarely()
    sys.excepthook = print_traceback
    run_command(arguments)


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback, of a bug or with ``--debug``, as all else is printed: without secrets and control characters."""
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(presentable(text, longest=None))


def _collect_rarely() -> None:
    """Spend no time on garbage that is not there.

    Importing Prefect makes half a million objects that stay. Looking through them again and again for some that do not, and once
    more at the end of the process, is a quarter of the time of a deploy that finds nothing to do.
    """
    gc.set_threshold(_OBJECTS, 30, 30)
    atexit.register(gc.freeze)
