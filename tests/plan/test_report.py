"""What a deploy did, as a value and a line."""

from __future__ import annotations

import pytest

from meta_prefect.interfaces.names import artifact_key
from meta_prefect.plan.outcomes import ACTIONS, counted, listed
from meta_prefect.plan.status import DeploymentStatus, FieldStatus, ProjectStatus, State
from meta_prefect.report.drift_page import drift_markdown
from meta_prefect.report.report import (
    Outcome,
    Report,
    drift_in_one_line,
    together,
)

CREATED = Outcome(deployment="add/a", recipe="local", action="created", version="1", url="http://ui/1")
UPDATED = Outcome(deployment="add/b", recipe="local", action="updated", version="2", detail="description")
UNCHANGED = Outcome(deployment="add/c", recipe="local", action="unchanged", detail="already as wanted")
FAILED = Outcome(deployment="add/d", recipe="team", action="failed", detail="no")


@pytest.mark.parametrize(
    ("report", "line"),
    [
        pytest.param(Report(environment="dev"), "nothing to do", id="nothing"),
        pytest.param(
            Report(environment="dev", outcomes=(FAILED, CREATED, UNCHANGED, UPDATED, CREATED)),
            "2 created, 1 updated, 1 unchanged, 1 failed",
            id="a deploy",
        ),
        pytest.param(
            Report(
                environment="dev",
                outcomes=tuple(
                    Outcome(deployment="add/e", recipe="local", action=action) for action in reversed(ACTIONS)
                ),
            ),
            ", ".join(f"1 {action}" for action in ACTIONS),
            id="whatever may become of a deployment",
        ),
    ],
)
def test_counting(report: Report, line: str) -> None:
    """A report in one line."""
    assert report.count() == line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(counted(1, "deployment"), "1 deployment", id="one"),
        pytest.param(counted(0, "deployment"), "0 deployments", id="none"),
        pytest.param(counted(2, "entry", "entries"), "2 entries", id="its own plural"),
        pytest.param(listed("abc"), "a, b, c", id="as many as are named"),
        pytest.param(listed("abcd"), "a, b, c, d", id="saying that there is one more is no shorter"),
        pytest.param(listed("abcabcde"), "a, b, c and 2 more", id="the rest is counted, each once"),
    ],
)
def test_numbers_and_names(text: str, expected: str) -> None:
    """One has no plural, and long lists are cut."""
    assert text == expected


def stands(*states: State) -> ProjectStatus:
    """A project whose deployments stand as given, in turn."""
    drift = (FieldStatus(path="description", kind="drift", applied="a", live="b"),)
    found = [
        DeploymentStatus(deployment=f"add/{number}", state=state, fields=drift if state == "drifted" else ())
        for number, state in enumerate(states)
    ]
    return ProjectStatus(project="p", environment="prod", in_sync=False, deployments=tuple(found))


TWELVE: list[State] = ["not deployed"] * 12
NOWHERE = stands(*TWELVE)


@pytest.mark.parametrize(
    ("found", "line", "sections"),
    [
        pytest.param(NOWHERE, "no drift in 12 deployments", [], id="no section without drift"),
        pytest.param(stands("in sync"), "no drift in 1 deployment", [], id="in sync"),
        pytest.param(stands("drifted"), "1 of 1 deployment has drifted", ["## add/0: drifted"], id="one"),
        pytest.param(
            stands("drifted", "outdated", "missing", "orphan"),
            "2 of 4 deployments have drifted",
            ["## add/0: drifted", "## add/2: missing"],
            id="what is outdated or left over has not drifted",
        ),
    ],
)
def test_drift_in_words(found: ProjectStatus, line: str, sections: list[str]) -> None:
    """A page has a section for each deployment that has drifted and for no other."""
    page = drift_markdown(found).splitlines()

    assert drift_in_one_line(found) == line
    assert page[2] == f"{line.capitalize()}."
    assert [text for text in page if text.startswith("##")] == sections


def test_the_others_stand_in_a_line() -> None:
    """What has not drifted is counted by how it stands."""
    assert drift_markdown(NOWHERE).splitlines()[-1] == "- 12 not deployed: add/0, add/1, add/2 and 9 more"


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
