"""The mark that a deployment carries of what was applied to it last; see :mod:`meta_prefect.plan.applied`."""

from __future__ import annotations

from typing import Final

from meta_prefect.interfaces.json_diff import Record

MARK: Final = "x-meta-prefect-applied"
"""The key of a parameter schema that holds the mark."""


def with_mark(form: Record, mark: str | None) -> Record:
    """A parameter schema that carries a mark."""
    return form if mark is None else {**form, MARK: mark}


def without_mark(form: Record) -> tuple[Record, str | None]:
    """A parameter schema as it is without its mark, and the mark."""
    mark = form.get(MARK)
    return {key: value for key, value in form.items() if key != MARK}, mark if isinstance(mark, str) else None
