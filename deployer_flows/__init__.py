"""The Prefect flows of Meta-Prefect: the built-in recipes, the flow that deploys a whole project, and those that operate one.

Each can be run from the Prefect UI, on a schedule, or called from Python. They are loaded lazily, so that importing this
package costs a flow's image next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deployer_flows.bootstrapping import bootstrap
    from deployer_flows.checking_drift import check_drift
    from deployer_flows.decorated_flows import decorated_flow_deployer
    from deployer_flows.deploying_itself import deployer
    from deployer_flows.destroying import destroy
    from deployer_flows.disowning import disown
    from deployer_flows.docker_run import docker_run_deployer
    from deployer_flows.ecs_run import ecs_run_deployer
    from deployer_flows.holding import hold
    from deployer_flows.kubernetes_run import kubernetes_run_deployer
    from deployer_flows.local_run import local_run_deployer
    from deployer_flows.process_run import process_run_deployer
    from deployer_flows.promoting import promote
    from deployer_flows.pruning import prune
    from deployer_flows.reaping import reap_previews
    from deployer_flows.rolling_back import rollback
    from deployer_flows.whole_project import deploy_project
    from deployer_flows.work_pool_run import work_pool_deployer

__all__ = [
    "bootstrap",
    "check_drift",
    "decorated_flow_deployer",
    "deploy_project",
    "deployer",
    "destroy",
    "disown",
    "docker_run_deployer",
    "ecs_run_deployer",
    "hold",
    "kubernetes_run_deployer",
    "local_run_deployer",
    "process_run_deployer",
    "promote",
    "prune",
    "reap_previews",
    "rollback",
    "work_pool_deployer",
]

# No module has the name of a function exported here: one would hide the other.
_HOMES = {
    "bootstrap": "deployer_flows.bootstrapping",
    "check_drift": "deployer_flows.checking_drift",
    "decorated_flow_deployer": "deployer_flows.decorated_flows",
    "deploy_project": "deployer_flows.whole_project",
    "deployer": "deployer_flows.deploying_itself",
    "destroy": "deployer_flows.destroying",
    "disown": "deployer_flows.disowning",
    "docker_run_deployer": "deployer_flows.docker_run",
    "ecs_run_deployer": "deployer_flows.ecs_run",
    "hold": "deployer_flows.holding",
    "kubernetes_run_deployer": "deployer_flows.kubernetes_run",
    "local_run_deployer": "deployer_flows.local_run",
    "process_run_deployer": "deployer_flows.process_run",
    "promote": "deployer_flows.promoting",
    "prune": "deployer_flows.pruning",
    "reap_previews": "deployer_flows.reaping",
    "rollback": "deployer_flows.rolling_back",
    "work_pool_deployer": "deployer_flows.work_pool_run",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
