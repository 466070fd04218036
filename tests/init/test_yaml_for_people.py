"""The YAML of a new project file is read back as what it was, whatever the texts in it look like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_prefect.init.yaml_text import yaml_lines
from meta_prefect.project.document import parse_document

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"))) | st.sampled_from(
    [
        "NO",
        "yes",
        "null",
        "~",
        "1e5",
        "9:30",
        "2026-01-05",
        "0x1f",
        "=",
        "- a",
        "a: b",
        "#",
        "{{ a.b }}",
        "%x",
        "&a",
        "a\nb\n",
        " x\ny",
    ]
)
KEYS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20) | st.sampled_from(["on", "1", "<<"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_property_what_is_written_is_what_the_project_file_s_reader_reads(value: dict[str, Any]) -> None:
    """Numbers that are texts, dates, NO, multi-line scripts, keys of any kind: the oracle is the reader itself."""
    text = "".join(f"{line}\n" for line in yaml_lines({"top": value}))

    read = parse_document("meta_prefect.yaml", text.encode())

    assert (read.data, read.problems) == ({"top": value}, ())


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        pytest.param({"tags": ["a", "b"]}, ["tags: [a, b]"], id="what is short stands on one line"),
        pytest.param(
            {"pull": [{"run": {"script": "make\nmake test\n"}}]},
            ["pull:", "  - run:", "      script: |", "        make", "        make test"],
            id="a script stands as it is typed",
        ),
        pytest.param(
            {"parameters": {"text": "x" * 60, "other": "y" * 60}},
            ["parameters:", f"  text: {'x' * 60}", f"  other: {'y' * 60}"],
            id="what is long stands below its key",
        ),
    ],
)
def test_it_is_laid_out_as_people_would(value: dict[str, Any], lines: list[str]) -> None:
    """Short values on one line, long ones below their key."""
    assert yaml_lines(value) == lines
