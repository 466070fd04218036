"""How a run gets the project's code where nothing else is said: from the folder, or from where a deployer fetched it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meta_prefect.implementations.code.git import clone_steps
from meta_prefect.interfaces.deployment import Deployment


def source_steps(deployment: Deployment) -> list[dict[str, Any]]:
    """The pull steps that lead to the code which is deployed.

    A folder that a deployer has fetched is gone once it has deployed: runs clone the same commit from where it came.
    """
    origin, commit = deployment.context.origin, deployment.context.commit
    if origin is None or commit is None:
        return [{"prefect.deployments.steps.set_working_directory": {"directory": deployment.flow.source}}]
    clone = {"repository": origin.repository, "commit_sha": commit}
    part = Path(deployment.flow.source).relative_to(deployment.context.source)
    folder = (Path(origin.folder) / part).as_posix()
    return clone_steps(clone, token=origin.token, folder="" if folder == "." else folder)
