"""``meta-prefect schedule preview``: shows when a schedule will run, and when not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from meta_prefect.cli.options import Environment, Target
from meta_prefect.cli.output import Output

if TYPE_CHECKING:
    from meta_prefect.engine.preview import PreviewWindow, SchedulePreview
    from meta_prefect.schedules.preview import Preview, SkippedRun

schedule_app: App = App(name="schedule", help="When deployments run.")

_ROOM = 6500  # Prefect's limit for an rrule, in characters
_MAX_ALIKE = 8  # consecutive lines with the same reason


@Parameter(name="*", group="Instead of a project's schedules")
@dataclass(frozen=True, slots=True)
class Written:
    """A schedule given on the command line."""

    rrule: Annotated[str | None, Parameter(help="This rrule; several lines with `\\n` or blanks between them.")] = None
    cron: Annotated[str | None, Parameter(help="Or this cron expression.")] = None
    interval: Annotated[str | None, Parameter(help="Or this interval: `every 15 minutes`, `PT15M`.")] = None
    anchor_date: Annotated[str | None, Parameter(help="From when the interval counts, with a UTC offset.")] = None
    day_or: Annotated[bool | None, Parameter(help="Whether one of cron's day fields is enough, or both must hold.")] = (
        None
    )
    timezone: Annotated[str | None, Parameter(help="Its time zone; by default UTC.")] = None
    holidays: Annotated[
        list[str] | None,
        Parameter(negative="", help="Its holidays: `US`, `DE-BY`, `NYSE`, `company.ics`; several are joined."),
    ] = None
    on_holiday: Annotated[
        Literal["skip", "next_business_day", "previous_business_day", "only"] | None,
        Parameter(help="What happens to a run on a holiday; `only`: it runs on no other day."),
    ] = None
    on_weekend: Annotated[
        Literal["skip", "next_business_day", "previous_business_day"] | None,
        Parameter(help="What happens to a run on a weekend."),
    ] = None
    business_day: Annotated[
        list[int] | None,
        Parameter(negative="", help="Of its times, only those on this business day of a month; -1 is the last."),
    ] = None
    freeze: Annotated[
        list[str] | None,
        Parameter(negative="", help="Days without runs: `2026-12-20 to 2027-01-03`, each year `12-20 to 01-03`."),
    ] = None

    def spec(self) -> dict[str, Any]:
        """Return the given fields; empty if there are none."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return given | {"rrule": self.rrule.replace("\\n", "\n")} if self.rrule else given


@schedule_app.command
def preview(
    *targets: Target,
    env: Environment = None,
    written: Written = Written(),
    count: Annotated[
        int, Parameter(name=["--count", "-n"], validator=Number(gte=1, lte=10_000), help="How many runs.")
    ] = 10,
    year: Annotated[
        int | None, Parameter(validator=Number(gte=2000, lte=2200), help="This whole year, as a calendar page.")
    ] = None,
    at: Annotated[
        datetime | None, Parameter(help="As if it were this moment: `2027-03-01T12:00:00`, UTC without an offset.")
    ] = None,
    output: Annotated[Literal["text", "json"], Parameter(help="How to print.")] = "text",
    debug: Annotated[bool, Parameter(negative="", help="Show Prefect's own log, and tracebacks.")] = False,
) -> int:
    """Say when schedules will run as Prefect's server evaluates them, which runs are left out, and where clocks surprise.

    Shown are the schedules of a project's deployments as a deploy would store them, or one that is written here.

    Parameters
    ----------
    targets
        A path in the project (by default the present folder), and names of flows or of `flow/deployment`.
    """
    from meta_prefect.engine.preview import PreviewWindow, preview_written
    from meta_prefect.errors import TargetError

    out = Output()
    now = at or datetime.now(UTC)
    wanted = PreviewWindow(now if now.tzinfo else now.replace(tzinfo=UTC), count, year)
    idle: Sequence[str] = ()
    if spec := written.spec():
        if targets or env is not None:
            named = ", ".join([*targets, *(["--env"] if env is not None else [])])
            option = next(iter(spec)).replace("_", "-")
            hint = "Name deployments, or write a schedule."
            raise TargetError(f"{named} and --{option} exclude each other", hint=hint)
        found = [preview_written(spec, wanted)]
    else:
        with out.watching("Reading", debug=debug):
            found, idle = _of_project(targets, env, wanted)
    if output == "json":
        out.raw(json.dumps([_as_json(one) for one in found], indent=2, ensure_ascii=False))
        return 0
    for number, one in enumerate(found):
        out.raw("\n" if number else "", end="")
        _print(out, one, wanted)
    for name in idle:
        out.say(f"{name} has no schedule")
    return 0


def _of_project(
    targets: Sequence[str], env: str | None, wanted: PreviewWindow
) -> tuple[list[SchedulePreview], list[str]]:
    import asyncio

    from meta_prefect.deploy import split_targets
    from meta_prefect.engine.preview import preview_project
    from meta_prefect.engine.requests import check_before_start

    path, names = split_targets(targets)
    check_before_start(path)
    return asyncio.run(preview_project(path, env, names, wanted))


def _print(out: Output, one: SchedulePreview, wanted: PreviewWindow) -> None:
    for line in _head(one):
        out.raw(line)
    if wanted.year is not None:
        from meta_prefect.cli.calendar_page import days_of, legend, page

        days = days_of(one.preview)
        out.show(page(days, wanted.year))
        for line in legend(days, wanted.year):
            out.raw(line)
    else:
        for line, left_out in _lines(one.preview, wanted.count):
            out.raw(line, style="red" if left_out else "")
    for remark in one.preview.remarks:
        out.note(remark)


def _head(one: SchedulePreview) -> Iterator[str]:
    schedule, place = one.schedule, one.deployment
    if place is not None:
        state = {True: "active", False: f"inactive in {one.environment}: it creates no runs", None: ""}[schedule.active]
        yield f"{place}, schedule {schedule.slug!r}{f' ({state})' if state else ''}"
    local = ", and then in local time" if _has_another_local_time(one.preview) else ""
    said = [f"times in {one.preview.timezone}{local}"]
    if schedule.note:
        said.append(schedule.note)
    yield "; ".join(said)
    if schedule.rrule is not None:
        yield f"stored as an rrule of {len(schedule.rrule):,} characters, of {_ROOM:,} that Prefect takes"


def _has_another_local_time(preview: Preview) -> bool:
    moments = (*preview.fires, *(run.at for run in preview.skipped))
    return any(moment.utcoffset() != moment.astimezone().utcoffset() for moment in moments)


def _lines(preview: Preview, wanted: int) -> Iterator[tuple[str, bool]]:
    """Yield one line per run, in order, and whether it is skipped."""
    local = _has_another_local_time(preview)
    # by instant: when the clocks go back, two times in one zone compare wrongly
    runs: list[tuple[datetime, SkippedRun | None]] = [(run, None) for run in preview.fires]
    runs += [(run.at, run) for run in preview.skipped]
    instead: dict[datetime, list[str]] = {}
    for skipped in preview.skipped:
        if skipped.moved_to is not None and not skipped.joins:
            instead.setdefault(skipped.moved_to, []).append(_told(skipped.at))
    because = dict(zip(preview.fires, preview.because, strict=False))
    ordered = sorted(runs, key=lambda pair: pair[0].astimezone(UTC))
    for reason, alike in groupby(ordered, key=lambda pair: None if pair[1] is None else _reason(pair[1])):
        moments = [at for at, _ in alike]
        shown = [f"{_told(at)}{f'   {at.astimezone():%a %H:%M %Z}' if local else ''}" for at in moments]
        if reason is not None:
            lines = [f"- {line}   {reason}" for line in shown]
            hidden = f"- … {len(lines) - 2:,} more   {reason}"
            yield from ((line, True) for line in (lines if len(lines) <= _MAX_ALIKE else [lines[0], hidden, lines[-1]]))
        else:
            for at, line in zip(moments, shown, strict=True):
                moved_here = " and ".join(instead.get(at, ()))
                why = f"instead of {moved_here}" if moved_here else because.get(at, "")
                yield f"  {line}{f'   {why}' if why else ''}", False
    if len(preview.fires) < wanted:
        yield "  no further run" if preview.fires else "  no run", False
    if (following := preview.next_skipped) is not None:
        yield f"next left out: {_told(following.at)}, {_reason(following)}", False


def _reason(run: SkippedRun) -> str:
    if run.moved_to is None:
        return run.reason
    done = "joins the run of {}" if run.joins else "runs {} instead"
    return f"{run.reason}: {done.format(_told(run.moved_to))}"


def _told(moment: datetime) -> str:
    seconds = ":%S" if moment.second else ""
    return moment.strftime(f"%a %Y-%m-%d %H:%M{seconds} %Z")


def _as_json(one: SchedulePreview) -> dict[str, Any]:
    shown, stored = one.preview, one.schedule
    kept = stored.model_dump(
        mode="json", include={"rrule", "cron", "day_or", "interval", "anchor_date", "timezone"}, exclude_none=True
    )
    if stored.cron is None:
        del kept["day_or"]
    return {
        "deployment": one.deployment,
        "environment": one.environment,
        "schedule": stored.slug,
        "active": stored.active,
        "timezone": shown.timezone,
        "stored": kept,
        "note": stored.note,
        "fires": [
            {"at": run.isoformat(), "local": run.astimezone().isoformat(), **({"because": why} if why else {})}
            for run, why in zip_longest(shown.fires, shown.because)
        ],
        "skipped": [_skipped_as_json(run) for run in shown.skipped],
        "next_skipped": None if shown.next_skipped is None else _skipped_as_json(shown.next_skipped),
        "remarks": list(shown.remarks),
        "until": None if shown.until is None else shown.until.isoformat(),
    }


def _skipped_as_json(run: SkippedRun) -> dict[str, Any]:
    return {
        "at": run.at.isoformat(),
        "local": run.at.astimezone().isoformat(),
        "reason": run.reason,
        "moved_to": None if run.moved_to is None else run.moved_to.isoformat(),
        "joins": run.joins,
    }
