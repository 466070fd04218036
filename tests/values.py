"""A deployment, and what it is made of, for tests that care about one thing in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from meta_prefect.engine.resolve import Draft
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.deployment import Deployment, FlowFacts
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface, flatten
from meta_prefect.interfaces.tags import environment_tag, owner_tag

T = TypeVar("T")

ADD_PARAMETERS: dict[str, Any] = {
    "title": "Parameters",
    "type": "object",
    "properties": {
        "x": {"title": "x", "type": "integer", "position": 0},
        "y": {"title": "y", "type": "integer", "position": 1},
    },
    "required": ["x", "y"],
    "definitions": {},
}
"""The schema that Prefect makes of ``add(x: int, y: int)``."""


def a_context(**changes: Any) -> DeployContext:
    """A deploy of the project ``shop`` to ``dev``."""
    fields: dict[str, Any] = {
        "project": "shop",
        "source": "/srv/shop",
        "environment": "dev",
        "now": datetime(2026, 11, 20, 12, tzinfo=UTC),
        "deploy_id": "d1",
    }
    return DeployContext(**{**fields, **changes})


def a_flow(**changes: Any) -> FlowFacts:
    """The flow ``add`` of that project."""
    fields: dict[str, Any] = {
        "name": "add",
        "entrypoint": "flow.py:add",
        "source": "/srv/shop",
        "parameter_schema": ADD_PARAMETERS,
    }
    return FlowFacts(**{**fields, **changes})


def a_deployment(**changes: Any) -> Deployment:
    """``add/nightly-dev``, sound and owned; ``environment`` and ``context`` may be changed as well as its own fields."""
    context = changes.pop("context", None) or a_context(environment=changes.get("environment", "dev"))
    environment = changes.pop("environment", context.environment)
    fields: dict[str, Any] = {
        "flow": a_flow(),
        "context": context,
        "environment": environment,
        "name": f"nightly-{environment}",
        "version": "1",
        "tags": [owner_tag(context.project), environment_tag(environment)],
        "work_pool_name": "pool",
    }
    return Deployment(**{**fields, **changes})


def a_draft(*builders: FlowBuilderInterface, where: str = "meta_prefect.yaml:3", **changes: Any) -> Draft:
    """A draft of that deployment, which builders are to work on."""
    return Draft(where, tuple(single for builder in builders for single in flatten(builder)), a_deployment(**changes))


def sent(value: T) -> T:
    """A value as another process gets it; Dask and Ray pickle flows like this."""
    import cloudpickle  # pyright: ignore[reportMissingTypeStubs]

    pickle: Any = cloudpickle
    return pickle.loads(pickle.dumps(value))


def built(builder: FlowBuilderInterface, **changes: Any) -> Deployment:
    """What a builder makes of that deployment."""
    return builder.update_deployment(a_deployment(**changes))
