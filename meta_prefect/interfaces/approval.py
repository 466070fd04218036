"""A person's approval of a deploy."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from meta_prefect.interfaces.times import Moment


class Approval(BaseModel):
    """Who approved, when, and why.

    Attributes:
        by: The name given with the approval. A self-hosted server does not authenticate users.
        at: When the deploy continued.
        comment: The approver's comment.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    by: str = Field(title="By", max_length=300)
    at: Moment = Field(title="At")
    comment: str = Field(default="", title="Comment", max_length=2000)

    def __str__(self) -> str:
        return f"approved by {self.by}{f': {self.comment}' if self.comment else ''}"
