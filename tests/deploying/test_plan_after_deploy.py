"""Right after a deploy there is nothing to do: no default of the server is a difference, whatever the recipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from planning import left_to_do
from support import Api

from meta_prefect.deploy import deploy

FLOW = """
    import enum
    from datetime import date, datetime, timedelta
    from typing import Annotated, Literal
    from prefect import flow
    from pydantic import BaseModel, Field, SecretStr

    class Color(enum.Enum):
        RED = "red"

    class Model(BaseModel):
        a: int = 1
        inner: "Model | None" = None

    @flow(name="UNIQUE")
    def work(
        x: Annotated[int, Field(ge=0, title="X")],
        model: Model,
        color: Color = Color.RED,
        day: date = date(2026, 1, 1),
        at: datetime | None = None,
        every: timedelta = timedelta(hours=1),
        mode: Literal["a", "b"] = "a",
        secret: SecretStr | None = None,
        items: list[dict[str, float]] = [],
    ) -> None:
        '''Do something.'''
"""
FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables:
            name: plain
        - recipe: local_run_deployer
          variables:
            name: scheduled
            unique: true
            schedule:
              - {rrule: "FREQ=DAILY;BYDAY=MO,WE,FR,SA", timezone: US/Pacific}
              - {cron: "*/15 8-18 * * MON-FRI", timezone: Europe/Berlin, holidays: DE}
              - {interval: 3600, timezone: Asia/Tokyo}
              - {interval: 1h, anchor_date: "2026-01-01T00:30:00+01:00"}
        - recipe: kubernetes_run_deployer
          variables: {name: cluster, image: "shop:1", cpu: 0.5, memory: 2, work_pool: UNIQUE-k8s, schedule: "0 9 * * 1-5"}
        - recipe: ecs_run_deployer
          variables: {name: fargate, image: "shop:1", cpu: 1, memory: 2, work_pool: UNIQUE-ecs}
        - recipe: docker_run_deployer
          variables: {name: container, image: "shop:1", memory: 1, networks: [a], work_pool: UNIQUE-docker}
"""


def test_of_every_recipe(server: Api, project: Callable[..., Path]) -> None:
    """All built-in recipes with schedules of every form, and parameters of many types."""
    root = project(**{"flow.py": FLOW, "meta_prefect.yaml": FILE})

    deploy([str(root)])

    assert left_to_do(root) == []
