"""The actions that an automation can perform."""

from __future__ import annotations

from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.json_diff import Record


class Notify(BaseModel):
    """Send a message through a notification block.

    Attributes:
        block: The block as ``type/name``, for example ``slack-webhook/on-call``; its secrets stay on the server.
        subject: The subject, with Prefect's templates such as ``{{ flow_run.name }}``.
        body: The text, likewise.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["notify"] = "notify"
    block: str = Field(pattern=r"^[^/]+/[^/]+$")
    subject: str = "{{ flow.name }}: {{ flow_run.state.name }}"
    body: str = (
        "Run {{ flow_run.name }} of {{ deployment.name }} entered {{ flow_run.state.name }}: {{ flow_run|ui_url }}"
    )

    def __str__(self) -> str:
        return f"notify {self.block}"

    async def as_action(self, api: Api) -> Record:
        """Return the action as Prefect stores it.

        Raises:
            ConfigurationError: The block does not exist.
        """
        slug, _, name = self.block.partition("/")
        found = await api.get(f"/block_types/slug/{quote(slug)}/block_documents/name/{quote(name)}")
        if found is None:
            raise ConfigurationError(
                f"there is no block {self.block!r}",
                where="automation",
                hint="Create it in the UI under Blocks, or with `prefect block create`.",
            )
        return {
            "type": "send-notification",
            "block_document_id": found["id"],
            "subject": self.subject,
            "body": self.body,
        }


class RunDeployment(BaseModel):
    """Run a deployment.

    Attributes:
        deployment: The deployment as ``flow/deployment``; it may be one of the same deploy.
        parameters: Parameters of its run; values may hold Prefect's templates, such as ``{{ flow_run.name }}``.
        after_seconds: How long the run waits.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["run"] = "run"
    deployment: str = Field(pattern=r"^[^/]+/[^/]+$")
    parameters: dict[str, Any] = {}
    after_seconds: float = Field(default=0, ge=0)

    def __str__(self) -> str:
        return f"run {self.deployment}"

    async def as_action(self, api: Api) -> Record | None:
        """Return the action as Prefect stores it, or None if the deployment does not exist yet."""
        flow, _, name = self.deployment.partition("/")
        found = await api.get(f"/deployments/name/{quote(flow)}/{quote(name)}")
        if found is None:
            return None
        return {
            "type": "run-deployment",
            "source": "selected",
            "deployment_id": found["id"],
            "parameters": self.parameters,
            "schedule_after": self.after_seconds,
        }
