"""What several deployments of a plan have in common is said once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from meta_prefect.interfaces.json_diff import FieldChange
from meta_prefect.plan.changes import Change, Create, Delete, Plan, Subject, Unchanged, Update
from meta_prefect.report.plan_json import document
from meta_prefect.report.plan_text import field_line, lines, markdown

OLD, NEW = "7fd9fa7" + "0" * 33, "a0d0b72" + "0" * 33
COMMIT = FieldChange("pull_steps", *([{"git_clone": {"repository": "r", "commit_sha": one}}] for one in (OLD, NEW)))
GIT_VERSION = FieldChange("version", OLD, NEW)
RULE = FieldChange("schedules.daily.cron", "0 9 * * *", "0 10 * * *")
COUNTED = FieldChange("version", "1", "2")
REGENERATED = "    scheduled runs: created anew, as Prefect does at every change"
SCHEDULED = {"paused": False, "schedules": {"daily": {"active": True}}}


def deployment(name: str) -> Subject:
    return Subject("deployment", name)


def update(name: str, *fields: FieldChange, remarks: tuple[str, ...] = ()) -> Update:
    return Update(deployment(name), fields, SCHEDULED, SCHEDULED, remarks=remarks)


def create(name: str, **fields: object) -> Create:
    return Create(deployment(name), tuple(FieldChange(path, None, value) for path, value in fields.items()), {})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            [update("a/x", COMMIT, GIT_VERSION), update("a/y", RULE, COMMIT, GIT_VERSION), update("a/z", COMMIT)],
            [
                "~ commit 7fd9fa7 → a0d0b72 for 3 deployments",
                "    a/x, a/y, a/z",
                REGENERATED,
                "~ deployment a/y",
                '    schedule.cron: "0 9 * * *" → "0 10 * * *"',
            ],
            id="a new commit, and the one real change",
        ),
        pytest.param(
            [update("a/x", COMMIT, COUNTED), update("a/y", COMMIT, COUNTED)],
            [
                "~ commit 7fd9fa7 → a0d0b72 for 2 deployments",
                "    a/x, a/y",
                '    version: "1" → "2"',
                REGENERATED,
            ],
            id="what comes with a commit stands below it",
        ),
        pytest.param(
            [update("a/x", RULE, remarks=("a remark",)), update("a/y", COUNTED, remarks=("a remark",))],
            [
                "~ 2 deployments",
                REGENERATED,
                "~ deployment a/x",
                '    schedule.cron: "0 9 * * *" → "0 10 * * *"',
                "~ deployment a/y",
                '    version: "1" → "2"',
                "! 2 deployments: a remark",
            ],
            id="what is shared names no deployments where these follow; remarks come last",
        ),
        pytest.param(
            [create("a/x", entrypoint="a.py:a", tags=["t"]), create("a/y", entrypoint="b.py:b", tags=["t"])],
            [
                "+ 2 deployments, each with",
                "    a/x, a/y",
                '    tags: ["t"]',
                "+ deployment a/x",
                '    entrypoint: "a.py:a"',
                "+ deployment a/y",
                '    entrypoint: "b.py:b"',
            ],
            id="new deployments",
        ),
        pytest.param(
            [create(f"{flow}/{name}", tags=["t"], region=name) for flow in "ab" for name in ("de", "fr", "uk", "us")],
            [
                "+ 8 deployments, each with",
                "    a/de, a/fr, a/uk and 5 more",
                '    tags: ["t"]',
                "+ region of 8 deployments",
                '    "de" for a/de, b/de',
                '    "fr" for a/fr, b/fr',
                '    "uk" for a/uk, b/uk',
                '    "us" for a/us, b/us',
            ],
            id="a field that has a value for each region",
        ),
        pytest.param(
            [
                *(update(f"a/{name}", COMMIT, FieldChange("limit", 1, 2)) for name in "wxyz"),
                *(update(f"b/{name}", COMMIT) for name in "wxyz"),
            ],
            [
                "~ commit 7fd9fa7 → a0d0b72 for 8 deployments",
                "    a/w, a/x, a/y, a/z, b/w, b/x, b/y, b/z",
                REGENERATED,
                "~ limit: 1 → 2 for 4 deployments",
                "    a/* (4)",
            ],
            id="all of a flow, once they have been named",
        ),
        pytest.param(
            [*(Unchanged(deployment(f"a/{name}"), "already as wanted", {}) for name in "xyz"), update("a/b", RULE)],
            [
                "~ deployment a/b",
                '    schedule.cron: "0 9 * * *" → "0 10 * * *"',
                REGENERATED,
                "= 3 deployments: already as wanted",
            ],
            id="what is left alone is counted",
        ),
        pytest.param(
            [Unchanged(deployment("a/x"), "already as wanted", {}), Delete(deployment("a/y"), {})],
            ["- deployment a/y", "= deployment a/x: already as wanted"],
            id="single ones stay as they are",
        ),
    ],
)
def test_a_plan_in_groups(changes: Sequence[Change], expected: list[str]) -> None:
    """Every deployment that changes is named; what they share comes first, then what is special about one."""
    assert list(lines(document(Plan(deployments=tuple(changes))))) == expected


def test_every_name_of_a_group_is_written_in_lines_of_bounded_length() -> None:
    """A hundred deployments take some lines of names, and none is left out."""
    names = [f"load-orders/region-{number:03}" for number in range(100)]
    told = list(lines(document(Plan(deployments=tuple(update(name, COMMIT) for name in names)))))
    assert told[0] == "~ commit 7fd9fa7 → a0d0b72 for 100 deployments"
    assert len(told) <= 40
    assert max(map(len, told)) <= 80
    assert max(map(len, told)) <= 104
    assert all(f"{name}," in " ".join(told) or told[-2].endswith(name) for name in names)


def test_the_page_is_a_diff() -> None:
    """Former values are taken away, new ones added; what holds a fence does not end the block."""
    plan = Plan(deployments=(update("a/x", RULE, FieldChange("description", "a", "```\n<b>")),))
    page = markdown(document(plan), "Plan_ of *x*")
    assert page.startswith("# Plan\\_ of \\*x\\*\n\n1 to update\n\n````diff\n~ deployment a/x\n")
    assert '-   schedule.cron: "0 9 * * *"\n+   schedule.cron: "0 10 * * *"\n' in page
    assert page.endswith("````\n")


def test_a_page_that_is_too_long_is_cut_between_lines() -> None:
    """The block ends where it should, and what is left out is counted."""
    plan = Plan(
        deployments=tuple(update(f"a/{number}", FieldChange("version", "1", f"{number}")) for number in range(50))
    )
    whole, cut = (markdown(document(plan), "Plan", longest=longest) for longest in (None, 300))
    block, rest = cut.removesuffix("\n").rsplit("\n```\n\n", 1)
    assert whole.startswith(block)
    assert len(block.partition("```diff\n")[2]) < 300
    left_out, total = whole.count("\n") - block.count("\n") - 2, whole.count("\n")
    assert 0 < left_out < total
    assert rest == f"{left_out} more lines: `meta-prefect plan`"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param([{"a": 1, "b": 2}], [{"a": 1, "b": 3}], "x.0.b: 2 → 3", id="one place"),
        pytest.param({"a": 1, "b": 2}, {"a": 2, "b": 3}, 'x: {"a": 1, "b": 2} → {"a": 2, "b": 3}', id="two places"),
        pytest.param([1], [1, 2], "x: [1] → [1, 2]", id="another shape"),
        pytest.param({"a": OLD}, {"a": f"{NEW}+dirty"}, "commit 7fd9fa7 → a0d0b72+dirty", id="a commit"),
        pytest.param(OLD, "1", 'x: "7fd9fa7" → "1"', id="from a commit to something else"),
    ],
)
def test_the_place_that_differs_is_shown(before: object, after: object, told: str) -> None:
    """Of a list of pull steps the one value that changes is shown, not the lists."""
    assert str(field_line("x", before, after)) == told


def test_of_long_texts_that_begin_alike_the_difference_is_shown() -> None:
    """Two rules of holidays differ behind what fits into a line."""
    line = field_line("rrule", "x" * 200 + "OLD", "x" * 200 + "NEW")
    assert (line.before[-5:], line.after[-5:]) == ('xOLD"', 'xNEW"')
    assert len(line.before) < 40
