"""The page about what a deploy did."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meta_prefect.report import Outcome, Report
from meta_prefect.report.report_page import ReportHead, report_artifact
from meta_prefect.texts import duration

COMMIT = "7fd9fa7" + "0" * 33
CREATED = Outcome(deployment="add/a", recipe="local", action="created", version="1", id="1", url="http://ui/1")
UPDATED = Outcome(
    deployment="add/b|c", recipe="local", action="updated", version=COMMIT, detail="job_variables.env._X_"
)
UNCHANGED = Outcome(deployment="add/c", recipe="local", action="unchanged", version=COMMIT, detail="already as wanted")
KEPT = Outcome(deployment="add/k", recipe="local", action="unchanged", detail="version kept")
FAILED = Outcome(deployment="add/d", recipe="team", action="failed", detail="<no>\n  because")


def page(*outcomes: Outcome, head: ReportHead | None = None, **more: object) -> list[str]:
    """The lines of the page of a report."""
    report = Report.model_validate({"environment": "dev", "outcomes": outcomes, **more})
    return report_artifact(report, "Key_1", "Deployed.", head or ReportHead("shop"))["data"].splitlines()


def test_the_head_says_what_was_deployed_by_whom_and_how_long_it_took() -> None:
    """Project, short commit, who, duration and a link to the run are on top, in one line."""
    head = ReportHead("my_shop", f"{COMMIT}+dirty", "ada@host", timedelta(seconds=75), "42")

    assert page(CREATED, head=head)[:3] == [
        "# 1 created in dev",
        "",
        "**my_shop** · commit `7fd9fa7+dirty` · by ada@host · 1 min 15 s · [the run](<../../runs/flow-run/42>)",
    ]
    assert page()[2] == "**shop**", "what is not known is left out"


def test_rows_are_what_was_done() -> None:
    """What failed comes first; what is unchanged is counted by its reason; links stay in the reader's UI; versions are short."""
    lines = page(CREATED, UNCHANGED, UPDATED, KEPT, FAILED, UNCHANGED)

    assert [line for line in lines if line.startswith("|")] == [
        "| Deployment | Result | Version | Detail |",
        "|---|---|---|---|",
        r"| add/d | **failed** |  | \<no\><br>  because |",
        "| [add/a](<../../deployments/deployment/1>) | created | 1 |  |",
        r"| add/b\|c | updated | 7fd9fa7 | job_variables.env.\_X\_ |",
    ]
    assert lines[-3:] == ["2 unchanged: already as wanted.", "", "1 unchanged: version kept."]


def test_a_page_of_nothing_has_no_table() -> None:
    """Where every deployment is unchanged, a count is all there is."""
    assert page(UNCHANGED)[3:] == ["", "1 unchanged: already as wanted."]


def test_what_else_was_written_is_escaped() -> None:
    """Names of components and remarks are texts, no markup."""
    lines = page(components=(("work pool a_b", "*created*"),), remarks=("# see <b>",))
    assert r"- work pool a_b: \*created\*" in lines
    assert r"- \# see \<b\>" in lines


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.24, "0.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (4810, "1 h 20 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Two units at the most."""
    assert duration(seconds) == text


def test_the_artifact() -> None:
    """A Markdown artifact under a key that Prefect accepts."""
    made = report_artifact(Report(environment="dev"), "Key_1", "Deployed.", ReportHead("shop"))
    assert (made["type"], made["key"], made["description"]) == ("markdown", "key-1", "Deployed.")
