"""How a run gets the project's code where nothing else is said: one rule for every place in which flows run.

What the entry says (``code:``) counts first, then a builder on the flow, then the repository from which a deployer has fetched
the project, then what is usual where the flow runs: the image of a container, the project's folder of a process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from meta_prefect.implementations.code.git import clone_steps
from meta_prefect.interfaces.deployment import Deployment

CODE_IN_IMAGE: Final = [{"prefect.deployments.steps.set_working_directory": {"directory": "."}}]
"""The pull step of code that is in the image, in the folder in which the image starts."""


def bring_code(deployment: Deployment, *, in_image: bool) -> None:
    """Let a run get its code where no builder has said so yet.

    Args:
        deployment: The deployment.
        in_image: Whether it runs in an image that has the code, unless something else brings it.
    """
    if deployment.pull_steps:
        return
    if in_image and deployment.context.origin is None:
        deployment.pull_steps = code_in_image()
        return
    deployment.pull_steps = source_steps(deployment)
    if in_image:
        deployment.notes = [
            *deployment.notes,
            "runs clone the commit that the deployer has fetched; `code: image` takes the code from their image",
        ]


def code_in_image() -> list[dict[str, Any]]:
    """The pull steps of code that is in the image."""
    return [dict(step) for step in CODE_IN_IMAGE]


def folder_steps(deployment: Deployment) -> list[dict[str, Any]]:
    """The pull steps that lead to the project's folder, on the host that deploys and on each that has it in the same place."""
    return [{"prefect.deployments.steps.set_working_directory": {"directory": deployment.flow.source}}]


def source_steps(deployment: Deployment) -> list[dict[str, Any]]:
    """The pull steps that lead to the code which is deployed.

    A folder that a deployer has fetched is gone once it has deployed: runs clone the same commit from where it came.
    """
    origin, commit = deployment.context.origin, deployment.context.commit
    if origin is None or commit is None:
        return folder_steps(deployment)
    clone = {"repository": origin.repository, "commit_sha": commit}
    part = Path(deployment.flow.source).relative_to(deployment.context.source)
    folder = (Path(origin.folder) / part).as_posix()
    return clone_steps(clone, token=origin.token, folder="" if folder == "." else folder)
