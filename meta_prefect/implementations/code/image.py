"""Code that is already in the image."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment


class image_code(Builder):  # noqa: N801 - used like a function
    """Runs the code that is in the image, which is what containers do where nothing else is said.

    Attributes:
        directory: The project's folder in the image; ``.`` is the folder in which the image starts.
    """

    step: ClassVar[str] = "run the code in the image"

    directory: str = Field(default=".", min_length=1)

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Make runs start in that folder."""
        step = {"prefect.deployments.steps.set_working_directory": {"directory": self.directory}}
        deployment.pull_steps = [step]
        return deployment
