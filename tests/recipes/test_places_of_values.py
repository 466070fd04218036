"""Where an error points to that a builder raises about a value: the key in the project file under which the user wrote it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meta_prefect.deploy import validate
from meta_prefect.errors import ValidationFailed

Project = Callable[..., Path]
FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work() -> None: ...
"""
RECIPES = """
    from meta_prefect import recipe
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import namer, versioneer
    from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

    class owned(FlowBuilderInterface):
        def __init__(self, team: str) -> None:
            self.team = team

        def update_deployment(self, deployment):
            deployment.concurrency_limit = self.team
            return deployment

    class listed(owned):
        def update_deployment(self, deployment):
            raise LookupError(f"no team {self.team!r}")

    @recipe
    def checked(strategy: str) -> FlowBuilderInterface:
        '''A builder that refuses its argument where it is made.'''
        return namer(name="checked") | versioneer(strategy=strategy) | local_process()

    @recipe
    def raising(team: str) -> FlowBuilderInterface:
        '''Code of one's own that refuses a value, and quotes it.'''
        raise LookupError(f"no team {team!r}")

    @recipe
    def acting(team: str) -> FlowBuilderInterface:
        '''A builder of one's own that refuses a value later, and quotes it.'''
        return namer(name="acting") | local_process() | listed(team)

    @recipe
    def setting(team: str) -> FlowBuilderInterface:
        '''A builder of one's own that sets what does not fit.'''
        return namer(name="setting") | local_process() | owned(team)

    @recipe
    def misspelled(name: str) -> FlowBuilderInterface:
        '''A builder called with an argument that it does not have.'''
        return namer(nane=name)
"""


def refused(project: Project, recipe: str, variables: str) -> str:
    """The one error that an entry leads to."""
    file = f"""\
project: UNIQUE
recipes: [recipes]
deployments:
  UNIQUE:
    - recipe: {recipe}
      variables: {variables}
"""
    root = project(**{"flow.py": FLOW, "recipes.py": RECIPES, "meta_prefect.yaml": file})
    with pytest.raises(ValidationFailed) as failed:
        validate([str(root)])
    (error,) = failed.value.errors
    return str(error)


@pytest.mark.parametrize(
    ("variables", "column", "key"),
    [
        pytest.param('{name: n, schedule: {rrule: "FREQ=DAILY;BYHOUR=25"}}', 39, "schedule.rrule", id="rrule"),
        pytest.param('{name: n, schedule: {cron: "61 * * * *"}}', 39, "schedule.cron", id="cron"),
        pytest.param('{name: n, schedule: {interval: "every 5 seconds"}}', 39, "schedule.interval", id="interval"),
        pytest.param(
            '{name: n, schedule: {cron: "@daily", timezone: Mars/A}}', 55, "schedule.timezone", id="time zone"
        ),
        pytest.param('{name: n, schedule: {cron: "@daily", holidays: XX}}', 55, "schedule.holidays", id="holidays"),
        pytest.param(
            '{name: n, schedule: {cron: "@daily", holidays: [US, XX]}}',
            70,
            "schedule.holidays[1]",
            id="one calendar of two",
        ),
        pytest.param(
            '{name: n, schedule: {cron: "@daily", holidays: {country: DE, subdivision: XX}}}',
            79,
            "schedule.holidays.subdivision",
            id="part of a calendar",
        ),
        pytest.param(
            '{name: n, schedule: {cron: "@daily", holidays: false, on_holiday: next_business_day}}',
            72,
            "schedule.on_holiday",
            id="on a holiday",
        ),
        pytest.param('{name: n, schedule: "61 * * * *"}', 28, "schedule", id="a short form"),
        pytest.param('{name: n, schedules: ["@daily", "61 * * * *"]}', 50, "schedules[1]", id="one of several"),
        pytest.param(
            "{name: n, schedules: [{cron: '@daily', slug: a}, {cron: '@hourly', slug: a}]}",
            57,
            "schedules[0].slug",
            id="a slug twice",
        ),
    ],
)
def test_schedules(project: Project, unique: str, variables: str, column: int, key: str) -> None:
    """What is wrong with a schedule is placed at its own key."""
    told = refused(project, "local_run_deployer", variables)

    assert told.startswith(f"meta_prefect.yaml:6:{column}: deployments.{unique}[0].variables.{key}: ")


@pytest.mark.parametrize(
    ("recipe", "variables", "key"),
    [
        pytest.param("checked", "{strategy: guess}", "strategy", id="a builder of ours"),
        pytest.param("raising", "{team: reds}", "team", id="a recipe that raises"),
        pytest.param("acting", "{team: reds}", "team", id="a builder that raises later"),
        pytest.param("setting", "{team: reds}", "team", id="a deployment that takes no such value"),
    ],
)
def test_values_of_recipes(project: Project, unique: str, recipe: str, variables: str, key: str) -> None:
    """What a recipe or a builder refuses is placed at the variable that it came from."""
    assert refused(project, recipe, variables).startswith(
        f"meta_prefect.yaml:6:19: deployments.{unique}[0].variables.{key}: "
    )


def test_an_unknown_argument_of_a_builder(project: Project, unique: str) -> None:
    """It is named, with what was probably meant and what there is; no variable is blamed for it."""
    assert refused(project, "misspelled", "{name: n}") == (
        f"meta_prefect.yaml:5:7: deployments.{unique}[0]: recipe misspelled: namer takes no argument 'nane'\n"
        "  Did you mean 'name'? Known: name, pattern, per_environment."
    )
