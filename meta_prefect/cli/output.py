"""What the command line prints: plain lines where nobody watches, a live line and a table on a terminal."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape

from meta_prefect.cli.console import PlainConsole, indented, linked
from meta_prefect.errors import ConfigurationError, DeployFailed, MetaPrefectError
from meta_prefect.steps.progress import Silent
from meta_prefect.texts import escaped, shell

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, TaskID

    from meta_prefect.plan.document import ChangeDocument
    from meta_prefect.report import Report

_PLACE = re.compile(r"(?P<file>[^:\n]+\.ya?ml):(?P<line>\d+)(?::(?P<column>\d+))?")
_MARKS = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "next version": ("~v", "dim"),
    "unchanged": ("=", "dim"),
    "delete": ("-", "red"),
}
_COLORS = {
    "created": "green",
    "updated": "yellow",
    "unchanged": "dim",
    "deleted": "red",
    "put back": "yellow",
    "not written": "dim",
    "failed": "bold red",
}


def report_of(run: Callable[[], Report]) -> Report:
    """Run a deploy; returns its report, also where it failed in part.

    Raises:
        DeployFailed: It failed without one.
    """
    try:
        return run()
    except DeployFailed as failure:
        from meta_prefect.report import carried_by

        return carried_by(failure)


class Output:
    """Standard output for results, standard error for what happens on the way."""

    def __init__(self) -> None:
        self._out = PlainConsole(highlight=False, soft_wrap=True)
        self._err = PlainConsole(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print a line for whoever waits."""
        self._err.print(escape(indented(text)))

    def raw(self, text: str, *, style: str = "", end: str = "\n") -> None:
        """Print a text as it is."""
        self._out.print(text, markup=False, style=style, end=end)

    def show(self, renderable: RenderableType) -> None:
        """Print something that is more than a text."""
        self._out.print(renderable)

    def note(self, text: str) -> None:
        """Print what else to know."""
        self._err.print(f"[yellow]note:[/] {escape(indented(text))}")

    def errors(self, errors: Iterable[MetaPrefectError]) -> None:
        """Print what is wrong, and the mend."""
        for error in errors:
            self._err.print(f"[bold red]error:[/] {escape(indented(str(error)))}")

    @contextmanager
    def watching(self, title: str, *, debug: bool) -> Generator[None]:
        """Show how far a deploy is, on a terminal; keep Prefect's own log out of it unless it is asked for."""
        from meta_prefect.steps.progress import reporting_to, somebody_listens

        if debug:
            yield
            return
        with _quiet_prefect():
            if somebody_listens():
                yield
                return
            if not self._err.is_terminal:
                with reporting_to(_Waits(self.say)):
                    yield
                return
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            with Progress(*columns, console=self._err, transient=True) as bar, reporting_to(_Bar(bar, title)):
                yield

    def report(self, report: Report, *, following: bool = True) -> None:
        """Print what happened to each deployment, and how to go on with the first one unless that is not ``following``."""
        if self._out.is_terminal:
            self._table(report)
        else:
            for outcome in report.outcomes:
                version = f" version {outcome.version}" if outcome.version else ""
                detail = f" ({outcome.detail})" if outcome.detail else ""
                self.raw(indented(f"{outcome.action} {escaped(outcome.deployment)}{version}{detail}"))
            for name, done in report.components:
                self.raw(indented(f"{done} {escaped(name)}"))
        for remark in report.remarks:
            self.note(remark)
        self.raw(f"{report.count()} in {report.environment}")
        if report.run_url:
            self.raw(f"Run: {report.run_url}")
        if following and not report.failed and not report.dry_run and report.outcomes:
            first = report.outcomes[0]
            parameters = "".join(f" -p {shlex.quote(f'{name}=')}…" for name in first.open_parameters)
            self.raw(f"Next: prefect deployment run {shell(first.deployment)}{parameters} --watch")

    def plan(self, report: Report, form: str, *, following: bool = True) -> None:
        """Print a plan, field by field.

        Args:
            report: What a dry run found.
            form: ``text`` or ``json``.
            following: Whether `deploy --plan` can apply it.
        """
        if report.plan is None:
            return
        if form == "json":
            self.raw(report.plan.as_json())
            return
        for change in report.plan.changes:
            mark, color = _MARKS[change.action]
            detail = f": {change.detail}" if change.detail else ": next version" if mark == "~v" else ""
            self._out.print(f"[{color}]{mark[0]} {escape(escaped(f'{change.kind} {change.name}{detail}'))}[/]")
            for line in _field_lines(change):
                self._out.print(f"    {escape(escaped(line))}")
        for remark in report.remarks:
            self.note(remark)
        self.raw(f"{report.count()} in {report.environment}")
        if following and report.run_id and report.plan.changes:
            self.raw(f"To apply exactly this: meta-prefect deploy --plan {report.run_id}")

    def _table(self, report: Report) -> None:
        from rich.table import Table

        title = f"{'Plan for' if report.dry_run else 'Deployed to'} {report.environment}"
        table = Table(title=title, title_justify="left")
        for column in ("Deployment", "Result", "Version", "Detail"):
            table.add_column(column, overflow="fold")
        for outcome in report.outcomes:
            color = _COLORS[outcome.action]
            name, version = linked(outcome.deployment, outcome.url), escape(escaped(outcome.version or ""))
            table.add_row(name, f"[{color}]{outcome.action}[/]", version, escape(outcome.detail))
        for component, done in report.components:
            table.add_row(escape(component), escape(done), "", "")
        self._out.print(table)

    def findings(self, errors: Sequence[ConfigurationError], form: str) -> None:
        """Print what a check found."""
        if form == "json":
            self.raw(json.dumps({"valid": False, "errors": [_as_json(error) for error in errors]}, indent=2))
        elif form == "github":
            for error in errors:
                self.raw(_as_annotation(error))
        else:
            self.errors(errors)

    def sound(self, report: Report, form: str) -> None:
        """Say that a check found nothing."""
        names = [outcome.deployment for outcome in report.outcomes]
        if form == "json":
            self.raw(json.dumps({"valid": True, "errors": [], "deployments": names}, indent=2))
        elif form == "text":
            self.raw(f"valid: {len(names)} deployments in {report.environment}")


class _Waits(Silent):
    """Tells nothing but for whom a deploy has to wait: for logs, where each step would be too much.

    Args:
        say: Prints a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def wait(self, text: str) -> None:
        """Say it."""
        self._say(text)


class _Bar:
    """Shows progress on a terminal."""

    def __init__(self, bar: Progress, title: str) -> None:
        self._bar = bar
        self._total = 0
        self._task: TaskID = bar.add_task(title, total=None)

    def step(self, text: str) -> None:
        """Something begins."""
        self._bar.update(self._task, description=escape(text))

    def wait(self, text: str) -> None:
        """Somebody else has to finish first."""
        self.step(text)

    def expect(self, writes: int) -> None:
        """So many more objects are going to be written."""
        self._total += writes
        self._bar.update(self._task, total=self._total)

    def wrote(self) -> None:
        """One of them has been written."""
        self._bar.advance(self._task)


def _field_lines(change: ChangeDocument) -> Generator[str]:
    """The lines below a change: what a new object has, or each field's before and after."""
    from meta_prefect.plan.explain import kept_lines, shown

    for field in change.fields:
        if change.action == "create":
            if field.after not in (None, "", [], {}) and not field.path.startswith("parameter_openapi_schema"):
                yield f"{field.path}: {shown(field.after)}"
        else:
            before = shown(field.before) if "before" in field.model_fields_set else "(none)"
            after = shown(field.after) if "after" in field.model_fields_set else "(none)"
            yield f"{field.path}: {before} → {after}"
    yield from kept_lines(change.kept)
    yield from (str(fires) for fires in change.next_fires)
    if change.scheduled_runs == "regenerated":
        yield "scheduled runs: created anew, as Prefect does at every change"


@contextmanager
def _quiet_prefect() -> Generator[None]:
    """Keep Prefect's log off the terminal; the UI has it."""
    import logging

    # Sets up Prefect's logging, which would undo this later.
    importlib.import_module("prefect.main")
    from prefect.logging.handlers import PrefectConsoleHandler

    names = ("", *logging.root.manager.loggerDict)
    handlers = {
        handler
        for name in names
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, PrefectConsoleHandler)
    }
    levels = {handler: handler.level for handler in handlers}
    for handler in handlers:
        handler.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for handler, level in levels.items():
            handler.setLevel(level)


def _place(error: ConfigurationError) -> dict[str, str]:
    found = _PLACE.match(error.where or "")
    return {} if found is None else {key: value for key, value in found.groupdict().items() if value is not None}


def _as_json(error: ConfigurationError) -> dict[str, object]:
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
    """One workflow command of GitHub Actions; its escapes are those of its documentation."""
    place = _place(error)
    keys = {"file": place.get("file"), "line": place.get("line"), "col": place.get("column")}
    properties = ",".join(f"{key}={_in_annotation(value, ':,')}" for key, value in keys.items() if value)
    return f"::error {properties}::{_in_annotation(str(error))}"


def _in_annotation(text: str, more: str = "") -> str:
    """A text in which nothing is a command, or a property of one; ``more`` are further characters to escape."""
    return "".join(f"%{ord(sign):02X}" if sign in f"%\r\n{more}" else sign for sign in text)
