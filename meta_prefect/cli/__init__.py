"""``meta-prefect …``: parses, prints, sets the exit code. Everything else is imported when a command runs."""

from meta_prefect.cli.app import main

__all__ = ["main"]
