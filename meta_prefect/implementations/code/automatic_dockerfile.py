"""The Dockerfile of an image for a project that has none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from meta_prefect.implementations.infra.images import prefect_image

AUTOMATIC: Final = "auto"
"""What stands in the place of a Dockerfile's path, as in Prefect's ``build_docker_image``."""


def automatic_dockerfile(context: Path, folder: str) -> str:
    """The text of a Dockerfile, with the same steps as the one that Prefect's ``build_docker_image`` writes.

    It begins with Prefect's own image of the versions that deploy, and installs the context's ``requirements.txt`` if it has one.

    Args:
        context: The folder that is copied into the image.
        folder: Where in the image; it starts there.
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
