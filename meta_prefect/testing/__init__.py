"""Helpers to test recipes, builders and projects as values, without deploying and, unless requested, without a server.

Everything is loaded lazily, because pytest imports this package in every environment that has it installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meta_prefect.testing.deployments import ReadyDeployment, deployment_of, deployments_of
    from meta_prefect.testing.fires import fires_of
    from meta_prefect.testing.jobs import job_of
    from meta_prefect.testing.live import Live
    from meta_prefect.testing.plans import changes_of, plan_of
    from meta_prefect.testing.snapshots import Snapshots
    from meta_prefect.testing.violations import violations_of

__all__ = [
    "Live",
    "ReadyDeployment",
    "Snapshots",
    "changes_of",
    "deployment_of",
    "deployments_of",
    "fires_of",
    "job_of",
    "plan_of",
    "violations_of",
]

_HOMES = {
    "ReadyDeployment": "deployments",
    "Live": "live",
    "Snapshots": "snapshots",
    "changes_of": "plans",
    "deployment_of": "deployments",
    "deployments_of": "deployments",
    "fires_of": "fires",
    "job_of": "jobs",
    "plan_of": "plans",
    "violations_of": "violations",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
