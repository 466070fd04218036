"""The output of the command line: plain lines if nobody watches, a live line and tables on a terminal."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING, Final

from rich.markup import escape

from meta_prefect.cli.console import PlainConsole, aligned, folded, indented, linked, width_of
from meta_prefect.cli.ending import journal, watching_the_server
from meta_prefect.engine.progress import Progress, Silent
from meta_prefect.errors import ConfigurationError, DeployFailed, MetaPrefectError, grouped_messages
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.texts import duration, escaped, shell

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID
    from rich.text import Text

    from meta_prefect.engine.sources import SourcesChecked
    from meta_prefect.plan.outcomes import Action
    from meta_prefect.report import Outcome, Report
    from meta_prefect.report.grouping import Section

_PLACE = re.compile(r"(?P<file>[^:\n]+\.ya?ml):(?P<line>\d+)(?::(?P<column>\d+))?")
_MARK_COLORS = {"+": "green", "~": "yellow", "=": "dim", "-": "red"}
_COLORS: dict[Action, str] = {
    "created": "green",
    "to create": "green",
    "updated": "yellow",
    "next version": "dim",
    "to update": "yellow",
    "deleted": "red",
    "to delete": "red",
    "unchanged": "dim",
    "put back": "yellow",
    "not written": "dim",
    "held": "magenta",
    "failed": "bold red",
}


_LEFT_ALONE: Final = frozenset({"unchanged", "held"})

_BESIDE_NAMES: Final = 28
"""The minimum width of the other columns of a table."""

FEW: Final = 3
"""The maximum number of untouched deployments to name rather than count."""


def report_of(run: Callable[[], Report]) -> Report:
    """Run a deploy; return its report even if it failed in part."""
    try:
        return run()
    except DeployFailed as failure:
        return failure.report


class Pipe(PlainConsole):
    """A console whose reader may close the pipe, as `head` does."""

    def on_broken_pipe(self) -> None:
        """Let :func:`~meta_prefect.cli.app.main` end the command like the system would; rich would exit with 1."""
        raise BrokenPipeError


class Output:
    """Writes results to standard output, and progress to standard error.

    Args:
        tokens: The command line; None for that of this process.
        quiet: Whether to print only errors, failures and the final line.
    """

    def __init__(self, tokens: Sequence[str] | None = None, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._tokens = sys.argv[1:] if tokens is None else tokens
        self._out = Pipe(highlight=False, soft_wrap=True, emoji=False)
        self._err = Pipe(stderr=True, highlight=False, soft_wrap=True, emoji=False)
        self._took = 0.0
        """For how many seconds was watched what a command does; not for how long somebody thought about an answer."""

    @property
    def is_json(self) -> bool:
        """Whether the result is requested as JSON, even if the command line is otherwise invalid."""
        return "--output=json" in self._tokens or ("--output", "json") in pairwise(self._tokens)

    @property
    def width(self) -> int:
        """The maximum length of a line of the result."""
        from meta_prefect.report.grouping import WIDTH

        return width_of(self._out) or WIDTH

    def say(self, text: str) -> None:
        """Print a progress line."""
        if not self.quiet:
            self._err.print(escape(indented(text)))

    def confirm(self, question: str) -> bool:
        """Ask for confirmation; anything but yes means no."""
        self._err.print(escape(f"{question} [y/N]"))
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def raw(self, text: str, *, style: str = "", end: str = "\n") -> None:
        """Print a text unchanged."""
        self._out.print(text, markup=False, style=style, end=end)

    def result(self, document: object, lines: Iterable[str], form: str) -> None:
        """Print the result of a command.

        Args:
            document: The JSON-compatible form.
            lines: The text form.
            form: ``text`` or ``json``.
        """
        if form == "json":
            self.raw(json.dumps(document, indent=2))
        else:
            for line in lines:
                self.raw(indented(line))

    def show(self, renderable: RenderableType) -> None:
        """Print a rich renderable."""
        self._out.print(renderable)

    def note(self, text: str) -> None:
        """Print a remark."""
        if not self.quiet:
            first, *more = folded(f"note: {indented(text)}", width_of(self._err))
            self._err.print(f"[yellow]note:[/]{escape(first.removeprefix('note:'))}")
            for line in more:
                self._err.print(escape(line))

    def errors(self, errors: Iterable[MetaPrefectError]) -> None:
        """Print errors with their hints."""
        for text in grouped_messages(errors):
            self._err.print(f"[bold red]error:[/] {escape(indented(text))}")

    def fail(self, errors: Sequence[MetaPrefectError]) -> None:
        """Print errors instead of a result; also as JSON if a program reads the output."""
        self.errors(errors)
        if self.is_json:
            self._errors_as_json(errors, {"valid": False} if "validate" in self._tokens[:1] else {})

    def _errors_as_json(self, errors: Iterable[MetaPrefectError], verdict: Mapping[str, object]) -> None:
        self.raw(json.dumps({**verdict, "errors": [_as_json(error) for error in errors]}, indent=2))

    @contextmanager
    def watching(self, title: str, *, debug: bool) -> Generator[None]:
        """Show the progress of a deploy on a terminal, and keep Prefect's own log out of it unless requested."""
        from meta_prefect.engine.progress import has_listener, reporting_to

        began = perf_counter()
        if not debug:
            _quiet_prefect()
        if has_listener():
            yield
            return
        try:
            with (
                self._listener(title, debug=debug) as journal.listener,
                reporting_to(journal),
                watching_the_server(self.say, self._fail_in_between),
            ):
                yield
        finally:
            self._took += perf_counter() - began

    def _fail_in_between(self, error: MetaPrefectError) -> None:
        """Print an error over a possible live line, as the last output of this process."""
        self._err.show_cursor()
        self.fail([error])

    @contextmanager
    def _listener(self, title: str, *, debug: bool) -> Generator[Progress]:
        """Return the progress listener: a live line on a terminal, otherwise only what a deploy waits for."""
        if debug or self.quiet or not self._err.is_terminal:
            yield _Waits(self.say)
            return
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Bar(*columns, console=self._err, transient=True) as bar:
            yield _Bar(bar, title)

    def report(self, report: Report, *, following: bool = True, form: str = "text", every: bool = False) -> None:
        """Print the outcome of each deployment; if more than a few are unchanged, only their number.

        Args:
            report: The report.
            following: Whether to suggest what to do with the first deployment.
            form: ``text`` or ``json``.
            every: Whether to name all unchanged deployments.
        """
        if form == "json":
            self.raw(report.as_json())
            return
        if self.quiet:
            self._failures_and_count(report)
            return
        named = [one for one in report.outcomes if every or one.action != "unchanged"]
        if (left := len(report.outcomes) - len(named)) <= FEW:
            named, left = list(report.outcomes), 0
        if self._out.is_terminal and (named or report.components):
            self._table(report, named)
        else:
            self._lines(report, named)
        if left:
            self.raw(f"unchanged: {left} deployments (--all names them)", style="dim")
        for remark in report.remarks:
            self.note(remark)
        self._close(report)
        if report.run_url:
            self.raw(f"Run: {report.run_url}")
        if following and report.failed:
            self.raw("Next: the same command again, once that is mended; it completes what is left")
        elif following and not report.dry_run and named:
            self._propose_a_run(named)

    def _propose_a_run(self, named: Sequence[Outcome]) -> None:
        first = next((one for one in named if one.action in {"created", "updated"}), named[0])
        parameters = "".join(f" -p {shlex.quote(f'{name}=')}…" for name in first.open_parameters)
        self.raw(f"Next: prefect deployment run {shell(first.deployment)}{parameters} --watch")

    def plan(
        self, report: Report, form: str, *, following: bool = True, adopting: bool = False, env: str | None = None
    ) -> int:
        """Print a plan, field by field; return the exit code.

        That is 2 if there are changes, 0 if there are none, and 1 if part of it cannot be planned.

        Args:
            report: The report of a dry run.
            form: ``text``, ``json`` or ``markdown``.
            following: Whether `deploy --plan` can apply it.
            adopting: Whether it may take over unmanaged deployments.
            env: The requested environment, which may determine the server that stores the plan.
        """
        failed = report.failed
        if report.plan is None:
            return 1 if failed else 0
        ends = 1 if failed else 2 if report.plan.has_changes else 0
        if form == "json":
            self.raw(report.plan.as_json())
            return ends
        if form == "markdown":
            from meta_prefect.report.plan_comment import plan_comment

            self.raw(plan_comment(report))
            return ends
        if self.quiet:
            self._failures_and_count(report)
            return ends
        from meta_prefect.report.plan_text import sections

        for section in sections(report.plan, with_remarks=False, width=self.width):
            self.section(section, _MARK_COLORS[section.mark])
        for remark in report.remarks:
            self.note(remark)
        self._failures_and_count(report)
        unmanaged = [change.name for change in report.plan.changes if change.takes_over and not adopting]
        if unmanaged:
            what = unmanaged[0] if len(unmanaged) == 1 else f"{len(unmanaged)} deployments"
            self.raw(f"Nobody manages {what}; to take over as shown: meta-prefect deploy --adopt")
        elif following and report.run_id and any(one.action not in _LEFT_ALONE for one in report.plan.changes):
            named = f" --env {shlex.quote(env)}" if env else ""
            self.raw(f"Next: meta-prefect deploy{named} --plan {report.run_id}")
        return ends

    def section(self, section: Section, color: str) -> None:
        """Print what is said of one object, or of several, its head in colour; on a terminal in lines that fit."""
        head, *below = section.text()
        for line in folded(escaped(head), width_of(self._out)):
            self.raw(line, style=color)
        for line in below:
            for part in folded(escaped(line), width_of(self._out)):
                self.raw(part)

    def _lines(self, report: Report, named: Iterable[Outcome]) -> None:
        for outcome in named:
            version = f" version {short_commit(outcome.version)}" if outcome.version else ""
            detail = f" ({said})" if (said := _in_short(outcome)) else ""
            self.raw(indented(f"{outcome.action} {escaped(outcome.deployment)}{version}{detail}"))
        for name, done in report.components:
            self.raw(indented(f"{done} {escaped(name)}"))

    def _failures_and_count(self, report: Report) -> None:
        for outcome in report.failed:
            self.raw(indented(f"{outcome.action} {escaped(outcome.deployment)} ({outcome.detail})"))
        self._close(report)

    def _close(self, report: Report) -> None:
        """Print what was done, and how long it took."""
        took = f"{'; planned' if report.dry_run else ''} in {duration(self._took)}" if self._took else ""
        self.raw(f"{report.in_one_line}{took}", style="bold")

    def _table(self, report: Report, named: Iterable[Outcome]) -> None:
        from rich.text import Text

        title = f"{'Plan for' if report.dry_run else 'Deployed to'} {report.environment}"
        rows: list[Sequence[str | Text]] = []
        for outcome in named:
            color = _COLORS[outcome.action]
            name = linked(outcome.deployment, outcome.url)
            version = escape(escaped(short_commit(outcome.version or "")))
            detail = Text(escaped(_in_short(outcome)), overflow="ellipsis", no_wrap=outcome.action != "failed")
            rows.append((name, f"[{color}]{outcome.action}[/]", version, detail))
        for component, done in report.components:
            rows.append((escape(component), escape(done), "", ""))
        table = aligned(title, ("Deployment", "Result", "Version", "Detail"), rows)
        longest = max(len(outcome.deployment) for outcome in report.outcomes) if report.outcomes else 0
        table.columns[0].no_wrap = longest <= self._out.width - _BESIDE_NAMES
        self._out.print(table)

    def findings(self, errors: Sequence[ConfigurationError], form: str) -> None:
        """Print the errors found by a check."""
        if form == "json":
            self._errors_as_json(errors, {"valid": False})
        elif form == "github":
            for error in errors:
                self.raw(_as_annotation(error))
        else:
            self.errors(errors)

    def sound(self, report: Report, form: str) -> None:
        """Report that a check found no errors."""
        from meta_prefect.plan.outcomes import counted

        names = [outcome.deployment for outcome in report.outcomes]
        if form == "json":
            self.raw(json.dumps({"valid": True, "errors": [], "deployments": names}, indent=2))
        elif form == "text":
            self.raw(f"valid: {counted(len(names), 'deployment')} in {report.environment}")
            for remark in report.remarks:
                self.note(remark)

    def sources(self, found: SourcesChecked, form: str) -> None:
        """Report that a project's sources have no errors, and what could not be checked."""
        from meta_prefect.plan.outcomes import counted

        if form == "json":
            entries = [{"flow": flow, "recipe": recipe} for flow, recipe in found.entries]
            self.raw(
                json.dumps({"valid": True, "errors": [], "entries": entries, "unchecked": found.unchecked}, indent=2)
            )
            return
        self.raw(f"valid as far as its sources say: {counted(len(found.entries), 'deployment')} in {found.environment}")
        for one in found.unchecked:
            if form == "github":
                self.raw(f"::notice::not checked: {_in_annotation(one)}")
            else:
                self.note(f"not checked: {one}")


class _Waits(Silent):
    """Shows only what a deploy waits for: in logs, each step would be too much.

    Args:
        say: Prints a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def wait(self, text: str) -> None:
        """Print the line."""
        self._say(text)


class _Bar:
    """Shows progress on a terminal; see :class:`Progress`."""

    def __init__(self, bar: RichProgress, title: str) -> None:
        self._bar = bar
        self._total = 0
        self._task: TaskID = bar.add_task(title, total=None)

    def step(self, text: str) -> None:
        """Show the step."""
        self._bar.update(self._task, description=escape(text))

    def wait(self, text: str) -> None:
        """Show what is being waited for."""
        self.step(text)

    def plan(self, names: Sequence[str]) -> None:
        """Ignore the names."""

    def expect(self, writes: int) -> None:
        """Increase the total."""
        self._total += writes
        self._bar.update(self._task, total=self._total)

    def wrote(self, name: str, done: str) -> None:
        """Advance by one."""
        del name, done
        self._bar.advance(self._task)


def _quiet_prefect() -> None:
    """Keep Prefect's log off the terminal until this process ends; the UI has it."""
    import logging

    # Sets up Prefect's logging now, since that would undo this later.
    importlib.import_module("prefect.main")
    from meta_prefect.prefect_internals.logs import PrefectConsoleHandler

    names = ("", *logging.root.manager.loggerDict)
    handlers = {
        handler
        for name in names
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, PrefectConsoleHandler)
    }
    for handler in handlers:
        handler.setLevel(logging.CRITICAL + 1)
    # Prefect prints to the terminal what it cannot log or send at the end of the process.
    logging.raiseExceptions = False


def _in_short(outcome: Outcome) -> str:
    """Abbreviate the reason or the changed fields for a table cell; `plan` has the details."""
    if outcome.action not in {"updated", "to update"}:
        return outcome.detail
    return ", ".join(dict.fromkeys(path.partition(".")[0] for path in outcome.detail.split(", ")))


def _place(error: MetaPrefectError) -> dict[str, str]:
    found = _PLACE.match(error.where or "")
    return {} if found is None else {key: value for key, value in found.groupdict().items() if value is not None}


def _as_json(error: MetaPrefectError) -> dict[str, object]:
    place = _place(error)
    return {
        "file": place.get("file"),
        "line": int(place["line"]) if "line" in place else None,
        "column": int(place["column"]) if "column" in place else None,
        "where": error.where,
        "message": error.message,
        "hint": error.hint,
    }


def _as_annotation(error: ConfigurationError) -> str:
    """Format a GitHub Actions workflow command, with the escapes from its documentation."""
    place = _place(error)
    keys = {"file": place.get("file"), "line": place.get("line"), "col": place.get("column")}
    properties = ",".join(f"{key}={_in_annotation(value, ':,')}" for key, value in keys.items() if value)
    return f"::error {properties}::{_in_annotation(str(error))}"


def _in_annotation(text: str, more: str = "") -> str:
    """Escape a text for a workflow command or its properties; ``more`` are further characters to escape."""
    return "".join(f"%{ord(sign):02X}" if sign in f"%\r\n{more}" else sign for sign in text)
