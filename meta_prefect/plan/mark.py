"""The mark on a deployment that identifies what was last applied to it; see :mod:`meta_prefect.plan.applied`."""

from __future__ import annotations

from typing import Final

from meta_prefect.interfaces.json_diff import Record

MARK: Final = "x-meta-prefect-applied"
"""The key in a parameter schema that stores the mark."""


def with_mark(form: Record, mark: str | None) -> Record:
    """Return a parameter schema with the mark added."""
    return form if mark is None else {**form, MARK: mark}


def without_mark(form: Record) -> tuple[Record, str | None]:
    """Split a parameter schema into the schema without its mark, and the mark."""
    mark = form.get(MARK)
    return {key: value for key, value in form.items() if key != MARK}, mark if isinstance(mark, str) else None
