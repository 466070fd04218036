"""Validated settings of an S3 location: bucket, path and credentials block."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ValidationError

from meta_prefect.errors import ConfigurationError, message_of

AWS_CREDENTIALS: Final = "aws-credentials"
"""Prefect's block type for AWS credentials."""

CREDENTIAL_TYPES: Final = (AWS_CREDENTIALS, "minio-credentials")
"""The block types that hold credentials for S3 stores."""

_BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")
_BLOCK: Final = re.compile(r"(?:(?P<type>[a-z0-9-]+)/)?(?P<name>[a-z0-9-]+)")


def _check_bucket(name: str) -> str:
    if _BUCKET.fullmatch(name) is None or ".." in name:
        raise ValueError(f"{name!r} is no name of a bucket: 3 to 63 lower-case letters, digits, '-' and '.'")
    return name


def _check_path(path: str) -> str:
    parts = [part for part in path.strip("/").split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise ValueError(f"{path!r} holds '.' or '..', which a store takes for names")
    return "/".join(parts)


def _check_credentials(reference: str) -> str:
    match = _BLOCK.fullmatch(reference)
    if match is None or match["type"] not in (None, *CREDENTIAL_TYPES):
        # The value is not shown: it may be the secret itself.
        raise ValueError(
            "credentials are named, never written down: give the name of a saved block, such as 'shop-s3', "
            f"or its type too: {' or '.join(f'{kind}/…' for kind in CREDENTIAL_TYPES)}"
        )
    return f"{match['type'] or AWS_CREDENTIALS}/{match['name']}"


BucketName = Annotated[str, AfterValidator(_check_bucket)]
"""The name of a bucket."""

BucketPath = Annotated[str, AfterValidator(_check_path)]
"""A path in a bucket, without leading or trailing slashes."""

CredentialsReference = Annotated[str, AfterValidator(_check_credentials)]
"""The name of a saved block with credentials, as ``<block type>/<name>``; ``aws-credentials/`` is optional."""


def stable_name(settings: dict[str, Any]) -> str:
    """Derive a block name that Prefect accepts from settings; deterministic."""
    text = json.dumps(settings, sort_keys=True)
    words = re.sub(r"[^a-z0-9]+", "-", "-".join(str(value) for value in settings.values() if value).lower()).strip("-")
    return f"{words[:48].strip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def as_configuration_error(error: ValidationError, where: str) -> ConfigurationError:
    """Convert the first validation error into our own wording."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return ConfigurationError(f"{place}: {message_of(first)}", where=where)
