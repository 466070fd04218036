"""The default code source, the same for every infrastructure.

In order of precedence: the entry's ``code:``, a builder on the flow, the repository from which a deployer fetched the
project, and finally the infrastructure's default: the image of a container, or the project's folder for a process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from meta_prefect.implementations.code.git import clone_steps
from meta_prefect.interfaces.deployment import Deployment

CODE_IN_IMAGE: Final = [{"prefect.deployments.steps.set_working_directory": {"directory": "."}}]
"""The pull step for code that is in the image's working directory."""


def set_code_source(deployment: Deployment, *, in_image: bool) -> None:
    """Set the pull steps, unless a builder has done so already.

    Args:
        deployment: The deployment.
        in_image: Whether it runs in an image that contains the code by default.
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
    """Return the pull steps for code that is in the image."""
    return [dict(step) for step in CODE_IN_IMAGE]


def folder_steps(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the pull steps that enter the project's folder, on this host or any other that has it at the same path."""
    return [{"prefect.deployments.steps.set_working_directory": {"directory": deployment.flow.source}}]


def source_steps(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the pull steps that lead to the deployed code.

    A folder fetched by a deployer is deleted after the deploy, so runs clone the same commit from its origin.
    """
    origin, commit = deployment.context.origin, deployment.context.commit
    if origin is None or commit is None:
        return folder_steps(deployment)
    clone = {"repository": origin.repository, "commit_sha": commit}
    part = Path(deployment.flow.source).relative_to(deployment.context.source)
    folder = (Path(origin.folder) / part).as_posix()
    return clone_steps(clone, token=origin.token, folder="" if folder == "." else folder)
