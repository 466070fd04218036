"""What our own builders have in common."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface


class Builder(BaseModel, FlowBuilderInterface):
    """A builder that is a frozen pydantic model: its arguments are checked where it is written down.

    Attributes:
        step: What the step is called in the Prefect UI.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    step: ClassVar[str] = ""

    @property
    def title(self) -> str:
        """What this step is called in the Prefect UI."""
        return self.step or super().title
