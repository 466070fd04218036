"""Deployments keep the names that they have, and those that name an environment are in it."""

from __future__ import annotations

from typing import Any

import pytest

from meta_prefect.init.entries import entries_of
from meta_prefect.init.found import FoundDeployment


def found(name: str, **variables: Any) -> FoundDeployment:
    """A deployment of the flow ``etl``."""
    return FoundDeployment(f"etl/{name}", "etl", None, {"name": name, "work_pool": "p", **variables})


FIXED = {"name_pattern": "{name}"}


@pytest.mark.parametrize(
    ("given", "expected", "environments"),
    [
        pytest.param([found("nightly")], [({"name": "nightly", **FIXED}, ())], ("dev",), id="a plain name stays"),
        pytest.param([found("nightly-prod")], [({"name": "nightly"}, ())], ("prod",), id="one environment for all"),
        pytest.param(
            [found("nightly-dev"), found("nightly-prod")],
            [({"name": "nightly"}, ())],
            ("dev", "prod"),
            id="twins are one entry",
        ),
        pytest.param(
            [found("nightly-dev"), found("nightly-prod", version="2")],
            [({"name": "nightly"}, ("dev",)), ({"name": "nightly", "version": "2"}, ("prod",))],
            ("dev", "prod"),
            id="those that differ are two",
        ),
        pytest.param(
            [found("nightly"), found("weekly-prod")],
            [({"name": "nightly", **FIXED}, ("dev",)), ({"name": "weekly"}, ("prod",))],
            ("dev", "prod"),
            id="beside others a plain name is in the present environment only",
        ),
        pytest.param(
            [found("nightly", tags=["env=blue", "V3"])],
            [({"name": "nightly", **FIXED, "tags": ["V3"]}, ())],
            ("blue",),
            id="a tag says the environment too",
        ),
        pytest.param(
            [found("load-test", tags=["env=prod"])],
            [({"name": "load-test", **FIXED}, ())],
            ("prod",),
            id="and says it better than a name",
        ),
    ],
)
def test_entries_have_the_names_and_environments_of_what_is_there(
    given: list[FoundDeployment], expected: list[Any], environments: tuple[str, ...]
) -> None:
    """An entry counts for its environment alone where there are several."""
    entries, all_environments = entries_of(given, "dev")

    bare = [
        ({key: value for key, value in one.variables.items() if key != "work_pool"}, one.environments)
        for one in entries
    ]
    assert (bare, all_environments) == (expected, environments)


def test_what_prefect_takes_and_we_do_not_gets_the_word_that_lets_it_through() -> None:
    """So it stays what it is; what nobody objects to gets none."""
    schedules = [{"interval": 30}, {"cron": "0 3 * * *"}, {"rrule": "FREQ=DAILY;UNTIL=20240101T000000"}]
    (entry,), _ = entries_of([found("nightly", schedules=schedules)], "dev")
    words = [one.get("allow") for one in entry.variables["schedules"]]
    assert words == [["under_a_minute"], None, ["no_runs"]]


def test_schedules_go_on_as_they_are_until_somebody_says_otherwise() -> None:
    """No holidays are left out, and an operator's switch stays where it is."""
    (entry,), _ = entries_of([found("nightly", schedules=[{"cron": "0 3 * * *"}])], "dev")
    assert (entry.variables["holidays"], entry.variables["active_in"]) == (False, None)
