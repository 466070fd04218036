"""The tags of a deployment, which its runs inherit."""

from __future__ import annotations

from typing import ClassVar

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.tags import environment_tag


class tags_resolver(Builder):  # noqa: N801 - used like a function
    """Tags a deployment with its environment (``env=prod``), with META_PREFECT__TAGS, and with tags of your own.

    A flow's own ``tags`` attribute counts too. Tags of several such builders add up.

    Attributes:
        tags: Further tags.
    """

    step: ClassVar[str] = "resolve tags"

    tags: tuple[str, ...] = ()

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Add the tags without duplicates."""
        tags = (
            *deployment.tags,
            environment_tag(deployment.environment_word),
            *deployment.flow.tags,
            *deployment.context.tags,
            *self.tags,
        )
        deployment.tags = list(dict.fromkeys(tags))
        return deployment
