"""What this version of Prefect refuses in a prefect.yaml: because of one such value it deploys nothing of the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from meta_prefect.prefect_internals.prefect_yaml import errors_in
from meta_prefect.project.document import Document, KeyPath


def refusals(file: Path, document: Document) -> Iterator[tuple[KeyPath, str]]:
    """Ask Prefect's own model of the file.

    Args:
        file: The file.
        document: Where each value stands.

    Yields:
        Each value that is refused, by its place, and why.
    """
    tried: dict[KeyPath, str | int] = {}
    for error in errors_in(file):
        path, value, form = _place(error["loc"], document)
        # Of a value with several forms, what the first form says is what is wrong.
        if form is None or tried.setdefault(value, form) == form:
            yield path, error["msg"]


def _place(location: tuple[str | int, ...], document: Document) -> tuple[KeyPath, KeyPath, str | int | None]:
    """Where an error is, and the value and form that were tried: between the keys stand the names of Prefect's models."""
    path: KeyPath = ()
    value: KeyPath = ()
    form: str | int | None = None
    for part in location:
        if (*path, part) in document.positions:
            path = (*path, part)
        elif form is None:
            value, form = path, part
    return path, value, form
