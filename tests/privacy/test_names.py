"""Names without control characters, wherever one enters; and text of others that a terminal shows as text."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from rich.table import Table
from values import a_deployment

from meta_prefect.cli.console import PlainConsole, indented, linked
from meta_prefect.cli.output import Output
from meta_prefect.engine.context import new_context
from meta_prefect.errors import MetaPrefectError
from meta_prefect.interfaces.components import GlobalConcurrencyLimit, Worker, WorkerPool, WorkQueue
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.plan.changes import Create, Plan, Subject
from meta_prefect.report import Outcome, Report
from meta_prefect.report.plan_json import document
from meta_prefect.report.plan_text import markdown
from meta_prefect.report.report_page import ReportHead, report_artifact
from meta_prefect.settings import read_settings

BAD = "a\nb created everything fine\x1b]0;pwned\x07"
TITLE = "bad\\x1b]0;pwned\\x07"

NAMED: dict[str, Callable[[], Any]] = {
    "a deployment": lambda: a_deployment(name=BAD),
    "a pool of a deployment": lambda: a_deployment(work_pool_name=BAD),
    "a queue of a deployment": lambda: a_deployment(work_queue_name=BAD),
    "a tag": lambda: a_deployment(tags=["fine", BAD]),
    "a version": lambda: a_deployment(version=BAD),
    "an environment": lambda: a_deployment(environment=BAD),
    "a schedule": lambda: Schedule(slug=BAD, cron="0 9 * * *"),
    "a pool": lambda: WorkerPool(name=BAD),
    "a queue": lambda: WorkQueue(name=BAD, pool="x"),
    "a limit": lambda: GlobalConcurrencyLimit(name=BAD, limit=1),
    "a context": lambda: DeployContext.model_validate({"environment": BAD}),
}


@pytest.mark.parametrize("make", NAMED.values(), ids=NAMED.keys())
def test_names_hold_no_control_characters(make: Callable[[], Any]) -> None:
    """Each is refused where it enters, and shown escaped."""
    with pytest.raises(ValidationError, match="holds control characters") as error:
        make()
    assert "\x1b" not in error.value.errors()[0]["msg"]


@pytest.mark.parametrize("variable", ["ENV", "TAGS", "VERSION"])
def test_settings_name_nothing_with_control_characters(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named."""
    monkeypatch.setenv(f"META_PREFECT__{variable}", "a\x1bb")
    with pytest.raises(MetaPrefectError, match=f"META_PREFECT__{variable}.*holds control characters"):
        read_settings()


def test_an_environment_that_is_asked_for_holds_none(tmp_path: Path) -> None:
    """Neither `--env` nor the form lets one in."""
    with pytest.raises(MetaPrefectError, match=r"'a\\u202eb' holds control characters"):
        new_context(tmp_path, ("shop",), environment="a\u202eb")


FLOW = 'from prefect import flow\n\n@flow(name="{name}")\ndef work() -> None: ...\n'
FILE = f"""
project: UNIQUE
deployments:
  UNIQUE:
    - {{recipe: local_run_deployer, variables: {{name: "{TITLE}"}}}}
    - {{recipe: local_run_deployer, variables: {{name: "a\\u202eb"}}}}
    - {{recipe: local_run_deployer, variables: {{name: "a\\nb created everything fine"}}}}
  "{TITLE}":
    - {{recipe: local_run_deployer, variables: {{name: nightly}}}}
"""


def test_a_project_with_such_names_is_not_valid(
    project: Callable[..., Path], run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """`validate` refuses names of flows and deployments alike, and what it prints is plain text."""
    files = {"flow.py": FLOW.format(name="UNIQUE"), "other.py": FLOW.format(name=TITLE), "meta_prefect.yaml": FILE}
    done = run_cli("validate", str(project(**files)))

    assert done.returncode == 1
    assert done.stderr.count("holds control characters") == 4
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout + done.stderr)
    assert not any(line.startswith("b created") for line in done.stderr.splitlines())


def printed(terminal: bool = True) -> tuple[PlainConsole, io.StringIO]:
    """A console, and what it prints."""
    file = io.StringIO()
    return PlainConsole(file=file, force_terminal=terminal, width=200, highlight=False), file


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_text_as_text(terminal: bool) -> None:
    """In lines, tables and titles: no sequence of others gets through, and no secret."""
    console, file = printed(terminal)
    table = Table(title=BAD)
    table.add_column("x")
    table.add_row(linked(BAD, "https://ui.example/\x1b]8;;evil"))
    console.print(BAD, markup=False)
    console.print(table)
    console.print("https://ada:hunter2X@host", markup=False)

    shown = file.getvalue()
    assert "]0;pwned" in shown
    assert "\x1b]0;" not in shown
    assert "\x07" not in shown
    assert "\x1b]8;;evil" not in shown
    assert "hunter2X" not in shown


@pytest.mark.parametrize(
    "url", ["https://x/] [bold]", "https://x/[/link]", "javascript:\x1b\\alert", "https://x/\u202e"]
)
def test_a_link_leads_where_it_says(url: str) -> None:
    """An address cannot end the markup or the sequence that it stands in."""
    console, file = printed()
    console.print(linked("[red]name[/]", url))
    assert "[red]name[/]" in file.getvalue()
    assert file.getvalue().count("\x1b") == file.getvalue().count("\x1b]8;") + file.getvalue().count("\x1b\\")


def a_report(**changes: Any) -> Report:
    """A report of a deploy of one deployment whose name came from elsewhere."""
    return Report(environment="dev", outcomes=(Outcome(deployment=BAD, recipe="x", action="deleted", **changes),))


def test_a_name_from_the_server_forges_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A deployment that somebody else named is one line of a report and of a plan."""
    plan = document(Plan(deployments=(Create(Subject("deployment", BAD), (), {}),)))
    Output().report(a_report(), following=False)
    Output().plan(Report(environment="dev", plan=plan), "text")

    assert not any(line.startswith("b created") for line in capsys.readouterr().out.splitlines())


def test_a_suggested_command_is_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A quote in a name does not end the word."""
    outcome = Outcome(deployment="a/it's; rm -rf x", recipe="x", action="created")
    Output().report(Report(environment="dev", outcomes=(outcome,)))

    assert """prefect deployment run 'a/it'"'"'s; rm -rf x' --watch""" in capsys.readouterr().out


@pytest.mark.parametrize(("pool", "word"), [("etl", "etl"), ("my pool; rm -rf x", "'my pool; rm -rf x'")])
def test_a_hint_is_one_command(pool: str, word: str) -> None:
    """What is to be typed to start a worker names the pool as one word, plain where that is enough."""
    (remark,) = Worker(pool=pool, type="process").remarks({"status": "offline", "refusal": "elsewhere"})
    assert f"run `prefect worker start -p {word} -t process`" in remark


def test_pages_show_names_as_names() -> None:
    """In tables, titles and blocks of code nothing of a name is markup."""
    name = "[x](http://evil)|y"
    page = report_artifact(
        Report(
            environment="*dev*",
            outcomes=(Outcome(deployment=name, recipe="x", action="failed", detail="a\n# b ```"),),
            components=(("pool [x](y)", "created"),),
            remarks=("see <script>",),
        ),
        "key",
        "text",
        ReportHead("shop"),
    )["data"]
    assert r"\[x\](http://evil)\|y" in page
    assert r"a<br>\# b \`\`\`" in page
    assert r"pool \[x\](y)" in page
    assert r"\<script" in page
    assert r"in \*dev\*" in page
    shown = markdown(
        document(Plan(deployments=(Create(Subject("deployment", "a\n```\n# b"), (), {}),))), "Plan for `x`"
    )
    opening, *_, closing = shown.splitlines()[4:]
    assert opening == f"{closing}diff"
    assert shown.count(f"\n{closing}\n") == 1


def test_further_lines_of_a_message_are_no_lines_of_ours() -> None:
    """They are indented."""
    assert indented("a\nerror: b\n  c") == "a\n  error: b\n  c"
