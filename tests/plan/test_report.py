"""What a deploy did, as a value and a line."""

from __future__ import annotations

import pytest

from meta_prefect.interfaces.names import artifact_key
from meta_prefect.report import Outcome, Report, together

CREATED = Outcome(deployment="add/a", recipe="local", action="created", version="1", url="http://ui/1")
UPDATED = Outcome(deployment="add/b", recipe="local", action="updated", version="2", detail="description")
UNCHANGED = Outcome(deployment="add/c", recipe="local", action="unchanged", detail="already as wanted")
FAILED = Outcome(deployment="add/d", recipe="team", action="failed", detail="no")


@pytest.mark.parametrize(
    ("report", "line"),
    [
        pytest.param(Report(environment="dev"), "nothing to deploy", id="nothing"),
        pytest.param(
            Report(environment="dev", outcomes=(FAILED, CREATED, UNCHANGED, UPDATED, CREATED)),
            "2 created, 1 updated, 1 unchanged, 1 failed",
            id="a deploy",
        ),
        pytest.param(
            Report(environment="dev", dry_run=True, outcomes=(CREATED, UPDATED, UNCHANGED)),
            "1 to create, 1 to update, 1 unchanged",
            id="a dry run",
        ),
    ],
)
def test_counting(report: Report, line: str) -> None:
    """A report in one line."""
    assert report.count() == line


def test_reports_of_several_recipes_join() -> None:
    """Outcomes stay in order; a shared pool and a repeated remark are told once."""
    pool = ("work pool p", "created")
    one = Report(environment="dev", outcomes=(CREATED,), components=(pool,), remarks=("r",))
    other = Report(environment="dev", outcomes=(FAILED,), components=(pool,), remarks=("r", "s"))

    assert together("dev", [one, other]) == Report(
        environment="dev", outcomes=(CREATED, FAILED), components=(pool,), remarks=("r", "s")
    )
    assert together("dev", [one, other]).failed == (FAILED,)


@pytest.mark.parametrize(
    ("text", "key"), [("local_run_deployer-dev", "local-run-deployer-dev"), ("Größe 1", "gr-e-1"), ("--a--", "a")]
)
def test_artifact_keys(text: str, key: str) -> None:
    """Lower case, digits and single dashes: what Prefect accepts."""
    assert artifact_key(text) == key
