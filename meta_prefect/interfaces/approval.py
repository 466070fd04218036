"""That a person has approved a deploy."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from meta_prefect.interfaces.moments import Moment


class Approval(BaseModel):
    """Who approved, when and why.

    Attributes:
        by: The name that was given with the answer. A server of one's own does not tell who somebody is.
        at: When the deploy went on.
        comment: What was said about it.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    by: str = Field(title="By", max_length=300)
    at: Moment = Field(title="At")
    comment: str = Field(default="", title="Comment", max_length=2000)

    def __str__(self) -> str:
        return f"approved by {self.by}{f': {self.comment}' if self.comment else ''}"
