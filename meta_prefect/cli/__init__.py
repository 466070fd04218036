"""The command line ``meta-prefect``: parses, prints and sets the exit code. Everything else is imported when a command runs."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its exit code."""
    from meta_prefect.cli.app import main as run_command

    run_command(arguments)
