"""The variables of an entry in an environment: its defaults, then the entry's own, then what the entry overrides there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from texts import WORK_FLOW

from meta_prefect.deploy import validate
from meta_prefect.engine.offline import sound_plan_offline
from meta_prefect.errors import ValidationFailed
from meta_prefect.interfaces.deployment import Deployment

FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: nightly, tags: [own], schedule: {cron: "0 9 * * *"}}
          overrides:
            pr-*: {tags: [preview]}
            prod: {schedules: {cron: "0 5 * * *"}}
"""
DESCRIBED = """
    environments:
      dev:
      pr-*: {defaults: {description: A preview.}}
      prod: {defaults: {active: true, tags: [default], description: Ours., work_pool: of another recipe}}
"""
OTHER = """
        - recipe: process_run_deployer
          variables: {name: other, work_pool: own}
"""
Files = Callable[..., Path]


def wanted(root: Path, environment: str) -> Deployment:
    """What the first entry of a project makes of its flow in an environment."""
    plan = asyncio.run(sound_plan_offline(root, environment, ()))
    return plan.batch.deployments[0].wanted.deployment


def test_later_layers_win_as_a_whole(project: Files) -> None:
    """A variable is the override's, else the entry's, else the environment's default; `schedules` is `schedule`."""
    root = project(flow=WORK_FLOW, **{"meta_prefect.yaml": FILE + OTHER + DESCRIBED})
    made = {name: wanted(root, name) for name in ("dev", "pr-7", "prod")}
    assert {name: one.tags[-1] for name, one in made.items()} == {"dev": "own", "pr-7": "preview", "prod": "own"}
    assert {name: one.description for name, one in made.items()} == {"dev": None, "pr-7": "A preview.", "prod": "Ours."}
    schedules = {name: [(s.cron, s.active) for s in one.schedules or ()] for name, one in made.items()}
    assert {name: len(found) for name, found in schedules.items()} == {"dev": 1, "pr-7": 1, "prod": 1}
    assert [active for found in schedules.values() for _, active in found] == [False, False, True]


def test_describing_environments_changes_nothing_that_is_deployed(project: Files) -> None:
    """The same deployment is wanted with descriptions that say nothing of it, and without any."""
    free = project(flow=WORK_FLOW, **{"meta_prefect.yaml": FILE})
    without = wanted(free, "dev").model_dump(exclude={"context"})
    described = project(flow=WORK_FLOW, **{"meta_prefect.yaml": FILE + "    environments: {dev: , pr-*: , prod: }\n"})
    assert wanted(described, "dev").model_dump(exclude={"context"}) == without


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (
            FILE + "    environments: {pr-*: , prod: {defaults: {descripton: x}}}\n",
            "environments.prod.defaults.descripton: no recipe of this project has a variable 'descripton'\n"
            "  Did you mean 'description'",
        ),
        (
            FILE + "    environments: {pr-*: , prod: {defaults: {paused: often}}}\n",
            "environments.prod.defaults.paused: Input should be a valid boolean",
        ),
        (
            FILE.replace("{schedules: {cron", "{schedulez: {cron"),
            "deployments.UNIQUE[0].overrides.prod.schedulez: the recipe 'local_run_deployer' has no variable 'schedulez'",
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_is_written(project: Files, unique: str, file: str, says: str) -> None:
    """A default is wrong in the environment's description, an override in the entry's."""
    root = project(flow=WORK_FLOW, **{"meta_prefect.yaml": file})
    with pytest.raises(ValidationFailed) as failed:
        validate([str(root)], env="prod")
    assert says.replace("UNIQUE", unique) in str(failed.value)
