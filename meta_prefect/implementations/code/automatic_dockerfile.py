"""Generates a Dockerfile for a project that has none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from meta_prefect.implementations.infra.images import prefect_image

AUTOMATIC: Final = "auto"
"""The value used instead of a Dockerfile's path, as in Prefect's ``build_docker_image``."""


def automatic_dockerfile(context: Path, folder: str) -> str:
    """Return a Dockerfile with the same steps as the one that Prefect's ``build_docker_image`` generates.

    It is based on the Prefect image that matches the versions running the deploy, and installs ``requirements.txt`` if the
    context has one.

    Args:
        context: The folder that is copied into the image.
        folder: Its path in the image, and the working directory.
    """
    requirements = f"{folder}/requirements.txt"
    installed = [f"COPY requirements.txt {requirements}", f"RUN uv pip install -r {requirements}"]
    lines = [
        f"FROM {prefect_image()}",
        *(installed if (context / "requirements.txt").is_file() else ()),
        f"COPY . {folder}/",
        f"WORKDIR {folder}/",
    ]
    return "".join(f"{line}\n" for line in lines)
