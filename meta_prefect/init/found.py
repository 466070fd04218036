"""Deployments that exist elsewhere, in a prefect.yaml or on a server, in the words of `work_pool_deployer`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Remark:
    """Something of the source that cannot be carried over, or that never had an effect."""

    place: str
    """`prefect.yaml:12`, or `flow/deployment` of what is live."""
    key: str
    """The key as the source writes it: `deployments[2].work_pool.foo`."""
    text: str
    """One sentence for people: what it is, and what to do."""


@dataclass(frozen=True, slots=True)
class FoundDeployment:
    """A deployment that exists elsewhere."""

    place: str
    flow_name: str
    """The key under `deployments`."""
    entrypoint: str | None
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Those of `work_pool_deployer`. `name` is the full name: the pattern of names comes with the file."""
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a source holds."""

    project: str | None
    """The name that it gives itself."""
    deployments: tuple[FoundDeployment, ...]
    remarks: tuple[Remark, ...] = ()
    """Of the source as a whole."""
