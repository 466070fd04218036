"""What the installed version of Prefect rejects in a prefect.yaml; a single such value blocks the whole file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from meta_prefect.prefect_internals.prefect_yaml import errors_in
from meta_prefect.project.document import Document, KeyPath


def refusals(file: Path, document: Document) -> Iterator[tuple[KeyPath, str]]:
    """Validate with Prefect's own model of the file.

    Args:
        file: The file.
        document: Knows the position of each value.

    Yields:
        The path of each rejected value, and the reason.
    """
    tried: dict[KeyPath, str | int] = {}
    for error in errors_in(file):
        path, value, form = _place(error["loc"], document)
        # For a union type, report the errors of its first member only.
        if form is None or tried.setdefault(value, form) == form:
            yield path, error["msg"]


def _place(location: tuple[str | int, ...], document: Document) -> tuple[KeyPath, KeyPath, str | int | None]:
    """Return the path of an error, and the value and union member tried: pydantic puts model names between the keys."""
    path: KeyPath = ()
    value: KeyPath = ()
    form: str | int | None = None
    for part in location:
        if (*path, part) in document.positions:
            path = (*path, part)
        elif form is None:
            value, form = path, part
    return path, value, form
