"""The schema of a flow's parameters is the one that `prefect deploy` stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from values import a_deployment, a_flow

from meta_prefect.flows.catalog import FlowCatalog
from meta_prefect.flows.loader import ProjectModules
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.changes import Unchanged
from meta_prefect.plan.deployment_record import desired_record, live_deployment
from meta_prefect.plan.diff import diff_deployment

MODULE = """
    from __future__ import annotations
    from datetime import date
    from enum import Enum
    from typing import Literal, Optional
    from prefect import flow
    from pydantic import BaseModel

    @flow
    def job({parameters}) -> None:
        '''A job.

        Args:
            first: The first one.
        '''

    class Order(BaseModel):
        number: int
        colour: Colour | None = None

    class Colour(Enum):
        RED = "red"
"""

SIGNATURES = (
    "",
    "first: int",
    "first: int = 1, second: str = 'x'",
    "first: Order = None",
    "first: list[Order], second: Colour = None",
    "first: Optional[date] = None, *, second: Literal['a', 'b'] = 'a'",
    "first: dict[str, Order] | None = None",
    "first, second=3",
)


@pytest.mark.parametrize("parameters", SIGNATURES)
def test_the_schema_is_the_one_that_prefect_deploy_stores(project: Callable[..., Path], parameters: str) -> None:
    """Also where a model is defined below the flow that uses it, and where there is nothing to define."""
    modules = ProjectModules(project(flows=MODULE.format(parameters=parameters)))
    ours = FlowCatalog(modules).of("flows.py:job").facts.parameter_schema
    with modules.imported():
        deployment: Any = modules.load_flow("flows.py:job").to_deployment("x")
    prefects = deployment._parameter_openapi_schema

    assert ours == prefects.model_dump(exclude_unset=True)


@pytest.mark.parametrize("parts", [{"definitions": {}}, {"required": [], "definitions": {}}, {}])
def test_empty_parts_of_a_stored_schema_are_no_difference(parts: Record) -> None:
    """A deployment that another client stored with an empty `definitions` is not written for that."""
    schema: Record = {"type": "object", "title": "Parameters", "properties": {}}
    wanted = a_deployment(flow=a_flow(parameter_schema=schema), version="1")
    stored: Record = {**desired_record(wanted), "parameter_openapi_schema": {**schema, **parts}}
    answer: Record = {**stored, "id": "1", "name": wanted.name, "schedules": []}

    assert isinstance(diff_deployment(wanted, live_deployment(answer, "add")), Unchanged)
