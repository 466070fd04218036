"""The server in the background never looks for garbage where it serves requests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROGRAM = """
import gc, threading
from meta_prefect.local.guarded_server import collect_garbage_apart

class Cursor:
    def __init__(self):
        self.itself = self
    def __del__(self):
        found.append(threading.current_thread().name)
        collected.set()

found, collected = [], threading.Event()
collect_garbage_apart()
Cursor()
young = [[] for _ in range(2 * gc.get_threshold()[0])]
print(collected.wait(30), found, gc.isenabled())
"""


def test_garbage_is_collected_by_a_thread_of_its_own() -> None:
    """What only the garbage collection takes away is taken away by its thread, and by no other, as that may have to wait."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "True ['garbage'] False"


def test_the_reproduction_of_the_stall_stalls() -> None:
    """The report says what happens where garbage is collected in the event loop; once it no longer does, the thread can go."""
    report = (ROOT / "meta_prefect/local/STALLS.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```py\n(.*?)```", report, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    stall, other = done.stdout.splitlines()
    assert re.fullmatch(r"The event loop stood still for [2-9]\d* s\.", stall)
    assert other == "The other writer: database is locked"
