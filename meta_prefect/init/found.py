"""Existing deployments, from a prefect.yaml or a server, expressed as variables of `work_pool_deployer`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Remark:
    """Something in the source that cannot be carried over, or that never had an effect."""

    place: str
    """For example `prefect.yaml:12`, or `flow/deployment` for a live deployment."""
    key: str
    """The key in the source: `deployments[2].work_pool.foo`."""
    text: str
    """A sentence for the user: what it is, and what to do."""


@dataclass(frozen=True, slots=True)
class FoundDeployment:
    """An existing deployment."""

    place: str
    flow_name: str
    """Its key under `deployments`."""
    entrypoint: str | None
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Variables of `work_pool_deployer`. `name` is the full name: the name pattern is set in the file."""
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The contents of a source."""

    project: str | None
    """The name the source gives itself."""
    deployments: tuple[FoundDeployment, ...]
    remarks: tuple[Remark, ...] = ()
    """Remarks about the source as a whole."""
