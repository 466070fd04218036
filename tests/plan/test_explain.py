"""A plan in words."""

from __future__ import annotations

import pytest

from meta_prefect.interfaces.components import WorkerPool
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record
from meta_prefect.plan.changes import Change, Create, Delete, Plan, Subject, Unchanged, Update
from meta_prefect.plan.diff import diff_component
from meta_prefect.plan.outcomes import count_planned
from meta_prefect.report.plan_json import change_document, document
from meta_prefect.report.plan_text import field_lines, lines, markdown, shown, title

ADD, POOL = Subject("deployment", "add/nightly-dev"), Subject("work pool", "p")
CREATE = Create(
    ADD,
    (
        FieldChange("description", ABSENT, "Adds."),
        FieldChange("parameters", ABSENT, {}),
        FieldChange("path", ABSENT, None),
        FieldChange("parameter_openapi_schema.type", ABSENT, "object"),
        FieldChange("enforce_parameter_schema", ABSENT, False),
    ),
    {"version": "1"},
    ("holidays until 2027 are left out",),
)
RUNS = {"paused": False, "schedules": {"cron": {"cron": "0 9 * * *", "active": True}}}
UPDATE = Update(
    ADD,
    (FieldChange("parameters.x", 1, 2), FieldChange("description", "Adds.", ABSENT)),
    RUNS,
    {**RUNS, "version": "2"},
)
COUNTS = Update(ADD, (FieldChange("version", "1", "2"),), RUNS, {**RUNS, "version": "2"}, counted=True)
POOL_UPDATE = Update(POOL, (FieldChange("concurrency_limit", None, 3),), {}, {})
UNCHANGED = Unchanged(ADD, "already as wanted", {"version": "1"}, ("a remark",))
DELETE = Delete(ADD, {})
COMMIT = "7fd9fa7" + "0" * 33
REGENERATED = "scheduled runs: created anew, as Prefect does at every change"
DELETED = "scheduled runs: deleted, as nothing is scheduled any more"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        pytest.param(CREATE, "deployment add/nightly-dev", id="create"),
        pytest.param(Create(POOL, (), {}), "work pool p", id="create a component"),
        pytest.param(UPDATE, "deployment add/nightly-dev", id="update"),
        pytest.param(COUNTS, "deployment add/nightly-dev: next version", id="only the next version"),
        pytest.param(UNCHANGED, "deployment add/nightly-dev: already as wanted", id="unchanged, and why"),
        pytest.param(DELETE, "deployment add/nightly-dev", id="delete"),
    ],
)
def test_titles(change: Change, line: str) -> None:
    """One line says what an object is, and why nothing is done; a mark before it says what is."""
    assert title(change_document(change)) == line


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            CREATE,
            ['description: "Adds."', "enforce_parameter_schema: false"],
            id="create: what is not empty, and not the flow's own signature",
        ),
        pytest.param(
            UPDATE, ["parameters.x: 1 → 2", 'description: "Adds." → (none)', REGENERATED], id="update: before and after"
        ),
        pytest.param(POOL_UPDATE, ["concurrency_limit: null → 3"], id="a pool has no scheduled runs"),
        pytest.param(UNCHANGED, [], id="unchanged"),
        pytest.param(DELETE, [], id="delete"),
    ],
)
def test_details(change: Change, expected: list[str]) -> None:
    """The lines below: each field, and what becomes of scheduled runs."""
    assert [str(line) for line in field_lines(change_document(change))] == expected


INACTIVE = {"schedules": {"cron": {"cron": "0 9 * * *", "active": False}}}
PAUSED = {**RUNS, "paused": True}


@pytest.mark.parametrize(
    ("before", "after", "runs", "expected"),
    [
        pytest.param(RUNS, RUNS, "regenerated", [REGENERATED], id="it is scheduled, and stays so"),
        pytest.param(RUNS, INACTIVE, "deleted", [DELETED], id="its schedule is switched off"),
        pytest.param(RUNS, PAUSED, "deleted", [DELETED], id="it is paused"),
        pytest.param(RUNS, {"schedules": {}}, "deleted", [DELETED], id="its schedule goes"),
        pytest.param({"schedules": {}}, {"schedules": {}}, "kept", [], id="it has no schedule"),
        pytest.param(INACTIVE, INACTIVE, "kept", [], id="its schedule is inactive"),
        pytest.param(PAUSED, PAUSED, "kept", [], id="it was paused"),
        pytest.param(INACTIVE, RUNS, "kept", [], id="there were no runs before"),
    ],
)
def test_scheduled_runs(before: Record, after: Record, runs: str, expected: list[str]) -> None:
    """What is said of scheduled runs is true of what Prefect does with them, in the text and in the document."""
    change = Update(ADD, (), before, after)

    assert list(field_lines(change_document(change))) == expected
    assert document(Plan(deployments=(change,))).changes[0].scheduled_runs == runs


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(ABSENT, "(none)", id="nothing there"),
        pytest.param(None, "null", id="null"),
        pytest.param("a\nb", '"a\\nb"', id="one line, whatever it holds"),
        pytest.param("Größe", '"Größe"', id="letters stay letters"),
        pytest.param({"a": [1]}, '{"a": [1]}', id="objects"),
        pytest.param("x" * 118, f'"{"x" * 118}"', id="as long as may be"),
        pytest.param(COMMIT, '"7fd9fa7"', id="commits are short"),
        pytest.param("x" * 119, f'"{"x" * 118}…', id="longer ones are cut"),
    ],
)
def test_values(value: object, text: str) -> None:
    """A value is shown in one line of bounded length."""
    assert shown(value) == text


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        pytest.param(Plan(), "nothing", id="nothing"),
        pytest.param(Plan((Create(POOL, (), {}),), (CREATE,)), "2 to create", id="components count"),
        pytest.param(
            Plan((POOL_UPDATE,), (CREATE, UPDATE, COUNTS, DELETE, UNCHANGED)),
            "1 to create, 2 to update, 1 to delete, 1 next version, 1 unchanged",
            id="all kinds",
        ),
    ],
)
def test_summaries(plan: Plan, text: str) -> None:
    """A plan in one line."""
    assert count_planned(plan) == document(plan).count() == text


def test_the_text_lists_components_first() -> None:
    """Headlines in the order in which things are written, details below them."""
    assert list(lines(document(Plan((POOL_UPDATE,), (UPDATE,))))) == [
        "~ work pool p",
        "    concurrency_limit: null → 3",
        "~ deployment add/nightly-dev",
        "    parameters.x: 1 → 2",
        '    description: "Adds." → (none)',
        f"    {REGENERATED}",
    ]


def test_markdown() -> None:
    """The artifact in the Prefect UI: a title, the summary, and a block that is coloured as a diff."""
    assert markdown(document(Plan(deployments=(COUNTS,))), "Plan for dev") == (
        "# Plan for dev\n\n1 next version\n\n```diff\n"
        "~ deployment add/nightly-dev: next version\n"
        '-   version: "1"\n'
        '+   version: "2"\n'
        f"    {REGENERATED}\n"
        "```\n"
    )
    assert "= nothing to deploy" in markdown(document(Plan()), "Plan")


def test_what_is_written_and_what_is_a_change() -> None:
    """Unchanged objects are not written; a version that only counts is written and is no change."""
    plan = Plan((POOL_UPDATE,), (UNCHANGED, COUNTS, DELETE))

    assert plan.writes == (POOL_UPDATE, COUNTS, DELETE)
    assert plan.changes == (POOL_UPDATE, DELETE)


def test_components_are_planned_like_deployments() -> None:
    """Create, update and unchanged, with fields and record."""
    pool = WorkerPool(name="p", concurrency_limit=3)
    live = {"name": "p", "type": "process", "concurrency_limit": 3}

    created = diff_component(pool, None)
    assert isinstance(created, Create)
    assert [field.path for field in created.fields] == ["type", "concurrency_limit"]
    assert str(created.subject) == "work pool p"
    assert diff_component(pool, live) == Unchanged(POOL, "already as wanted", live)
