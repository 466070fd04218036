"""What a deploy and a status of many deployments print: what is done is named, what is left alone is counted."""

from __future__ import annotations

import pytest

from meta_prefect.cli.output import FEW, Output
from meta_prefect.report import Outcome, Report

UNCHANGED = tuple(Outcome(deployment=f"a/{number}", recipe="r", action="unchanged") for number in range(40))
UPDATED = Outcome(deployment="b/x", recipe="r", action="updated", version="2", detail="tags")


@pytest.mark.parametrize(
    ("outcomes", "lines"),
    [
        pytest.param(
            (*UNCHANGED, UPDATED),
            [
                "updated b/x version 2 (tags)",
                "unchanged: 40 deployments (--all names them)",
                "1 updated, 40 unchanged in dev",
                "Next: prefect deployment run 'b/x' --watch",
            ],
            id="many",
        ),
        pytest.param(
            UNCHANGED, ["unchanged: 40 deployments (--all names them)", "40 unchanged in dev"], id="nothing else"
        ),
        pytest.param(
            UNCHANGED[:FEW],
            [
                "unchanged a/0",
                "unchanged a/1",
                "unchanged a/2",
                "3 unchanged in dev",
                "Next: prefect deployment run 'a/0' --watch",
            ],
            id="a few",
        ),
    ],
)
def test_unchanged_deployments_are_counted(
    capsys: pytest.CaptureFixture[str], outcomes: tuple[Outcome, ...], lines: list[str]
) -> None:
    """More than a few of them have one line, and none is proposed for a run."""
    Output([]).report(Report(environment="dev", outcomes=outcomes))
    printed = capsys.readouterr().out.splitlines()
    assert printed == lines


def test_all_of_them_are_named_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    """`--all` hides nothing."""
    Output([]).report(Report(environment="dev", outcomes=UNCHANGED), every=True)
    printed = capsys.readouterr().out
    assert all(f"unchanged {one.deployment}\n" in printed for one in UNCHANGED)


def test_a_quiet_command_prints_failures_and_the_closing_line(capsys: pytest.CaptureFixture[str]) -> None:
    """`--quiet` is for logs in which only the end counts: neither notes nor what went well."""
    failed = Outcome(deployment="c/y", recipe="r", action="failed", detail="no such pool")
    out = Output([], quiet=True)
    out.say("waiting")
    out.report(Report(environment="dev", outcomes=(*UNCHANGED, UPDATED, failed), remarks=("a note",)))
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines() == ["failed c/y (no such pool)", "1 updated, 40 unchanged, 1 failed in dev"]
