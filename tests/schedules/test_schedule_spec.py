"""What a user may write: short forms, the form in the UI, and the way through JSON."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from pydantic import BaseModel

from meta_prefect.schedules import CalendarSpec, FreezeWindow, ScheduleSpec, read_spec


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("FREQ=DAILY;BYHOUR=9", "rrule", "FREQ=DAILY;BYHOUR=9"),
        ("RRULE:FREQ=DAILY\nEXDATE:20261225T000000", "rrule", "RRULE:FREQ=DAILY\nEXDATE:20261225T000000"),
        ("RDATE:20261224T090000", "rrule", "RDATE:20261224T090000"),
        ("0 9 * * 1-5", "cron", "0 9 * * 1-5"),
        ("@daily", "cron", "@daily"),
        ("every 15 minutes", "interval", timedelta(minutes=15)),
        ("every hour", "interval", timedelta(hours=1)),
        ("every 2 hours and 30 minutes", "interval", timedelta(hours=2, minutes=30)),
        ("Every 1d", "interval", timedelta(days=1)),
        ("PT15M", "interval", timedelta(minutes=15)),
        ("P1DT12H", "interval", timedelta(hours=36)),
        ({"interval": 900}, "interval", timedelta(minutes=15)),
        ({"interval": "900"}, "interval", timedelta(minutes=15)),
        ({"interval": "1h30m"}, "interval", timedelta(minutes=90)),
    ],
)
def test_short_forms_are_understood(written: object, kind: str, value: object) -> None:
    """A string is an rrule, a cron expression or an interval by its looks."""
    spec = read_spec(written)

    assert spec.kind == kind
    assert getattr(spec, kind) == value


@pytest.mark.parametrize("model", [ScheduleSpec, CalendarSpec, FreezeWindow])
def test_every_field_of_the_form_is_explained(model: type[BaseModel]) -> None:
    """The UI shows a title and a description for each field."""
    fields = cast("dict[str, dict[str, Any]]", model.model_json_schema()["properties"])

    assert fields
    assert [name for name, field in fields.items() if not (field.get("title") and field.get("description"))] == []


def test_a_spec_survives_json() -> None:
    """Flow parameters travel as JSON and come back equal."""
    spec = read_spec(
        {
            "interval": "every 90 minutes",
            "anchor_date": "2026-01-05T09:00:00+01:00",
            "timezone": "Europe/Berlin",
            "holidays": ["US", {"country": "DE", "subdivision": "BY", "extra_dates": ["2026-12-24"]}],
            "freeze": [{"from": "2026-12-20", "to": "2027-01-03"}, "2026-08-01 to 2026-08-02"],
            "parameters": {"day": 1},
        }
    )

    assert ScheduleSpec.model_validate_json(spec.model_dump_json()) == spec
    assert ScheduleSpec.model_validate_json(spec.model_dump_json(by_alias=True)) == spec
