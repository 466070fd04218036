"""Container image references and their validation."""

from __future__ import annotations

import re
import sys
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from meta_prefect.errors import ConfigurationError

PRODUCTION: Final = ("prod", "production")
"""Environments in which an image must be pinned to a version."""

_REFERENCE: Final = re.compile(
    r"(?P<name>(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def _check(reference: str) -> str:
    if "{{" not in reference and _REFERENCE.fullmatch(reference) is None:
        raise ValueError(f"{reference!r} is no reference to an image: write 'registry/name:tag'")
    return reference


ImageReference = Annotated[str, AfterValidator(_check), Field(examples=["registry.example/name:1.4.2"])]
"""``registry/name:tag`` or ``registry/name@sha256:…``; or a reference to a Prefect variable that contains one."""


def is_pinned(reference: str) -> bool:
    """Return whether a reference pins a version: by digest, or by a tag other than ``latest``."""
    if "{{" in reference:
        return True  # known only in the run
    match = _REFERENCE.fullmatch(reference)
    return match is not None and (match["digest"] is not None or match["tag"] not in (None, "latest"))


def is_repository(reference: str) -> bool:
    """Return whether a reference names an image without a version."""
    match = _REFERENCE.fullmatch(reference)
    return match is not None and match["tag"] is None and match["digest"] is None


def prefect_image(flavor: str = "") -> str:
    """Return the Prefect image that matches the installed versions of Prefect and Python.

    Args:
        flavor: The image flavor, such as ``kubernetes``.
    """
    from prefect import __version__

    version = re.sub(r"\+.*", "", __version__)
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return "-".join(filter(None, (f"docker.io/prefecthq/prefect:{version}", python, flavor)))


def check_pinned(reference: str | None, environment: str) -> None:
    """Reject a mutable image reference in production.

    Raises:
        ConfigurationError: The environment is production, and the image has no tag or the tag ``latest``.
    """
    if reference is None or environment not in PRODUCTION or is_pinned(reference):
        return
    name = reference.removesuffix(":latest")
    raise ConfigurationError(
        f"the image {reference!r} does not say which version runs in {environment}",
        hint=f"Give it a tag or a digest, for example '{name}:1.4.2'.",
    )
