"""Builders for the name, tags, version and description of a deployment."""

from meta_prefect.implementations.metadata.description import describer
from meta_prefect.implementations.metadata.name import namer
from meta_prefect.implementations.metadata.renaming import renamed_from
from meta_prefect.implementations.metadata.tags import tags_resolver
from meta_prefect.implementations.metadata.version import versioneer

__all__ = ["describer", "namer", "renamed_from", "tags_resolver", "versioneer"]
