"""``python stepwise.py [OPTION…] PROJECT``: deploys, and waits at each step's start and end for a line on standard input.

Each step is a line on standard output. Whoever drives it may kill it, or do something to the server, before it goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from meta_prefect.cli import main
from meta_prefect.engine.progress import reporting_to


class Stepwise:
    """Tells each event, and waits to be let go on."""

    def _wait(self, event: str) -> None:
        print(event, flush=True)  # noqa: T201 - this is what whoever drives it reads
        sys.stdin.readline()

    def step(self, text: str) -> None:
        """A step begins."""
        self._wait(f"start: {text}")

    def wait(self, text: str) -> None:
        """Somebody else has to finish first."""
        self._wait(f"start: {text}")

    def plan(self, names: Sequence[str]) -> None:
        """Nothing to wait for."""

    def expect(self, writes: int) -> None:
        """Writes are to come."""
        self._wait(f"expect: {writes}")

    def wrote(self, name: str, done: str) -> None:
        """A write has ended."""
        del name, done
        self._wait("end")


if __name__ == "__main__":
    with reporting_to(Stepwise()):
        main(["deploy", *sys.argv[1:]])
