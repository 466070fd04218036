"""What the tests of deploying share: a project with one flow, deployed to the session's server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

FLOW = """
    import os
    from prefect import flow, get_run_logger

    @flow(name="UNIQUE")
    def add(x: int, y: int) -> int:
        '''Add two numbers.'''
        get_run_logger().info("env=%r out=%d", os.environ.get("META_PREFECT__ENV"), x + y)
        return x + y
"""

FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables:
            name: local-run
"""


@pytest.fixture
def one_flow(project: Callable[..., Path]) -> Path:
    """A project with one flow and one deployment."""
    return project(flow=FLOW, **{"meta_prefect.yaml": FILE})
