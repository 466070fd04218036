"""The project file's policies: which are in force, and temporary exemptions from them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from meta_prefect.project.fields import FileModel, Text, one_or_several

Several = Annotated[tuple[Text, ...], BeforeValidator(one_or_several, str | tuple[str, ...])]


class PolicyModel(FileModel):
    """A policy in force; all keys besides its name are its options."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", frozen=True)

    policy: Text = Field(
        description="A built-in policy, an installed one, `module:function`; or a module or installed package: all that it holds."
    )
    level: Literal["deny", "warn"] | None = Field(
        default=None, description="`warn` where it is only to be said; by default what the policy's own level is."
    )
    environments: Several = Field(
        default=(), description="Where it counts: names or patterns; all where it is left out."
    )

    @property
    def options(self) -> dict[str, Any]:
        """The policy's options."""
        return dict(self.model_extra or {})

    def as_item(self) -> dict[str, Any]:
        """Return it as JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


def _named(value: object) -> object:
    return {"policy": value} if isinstance(value, str) else value


PolicyItem = Annotated[PolicyModel, BeforeValidator(_named, str | PolicyModel)]
"""A policy; if it has no options, only the name need be written."""


def _date(value: object) -> object:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise PydanticCustomError("date", "is no date", {"hint": "Write '2027-01-31'."}) from None


class ExemptionModel(FileModel):
    """Leave not to follow a policy for a while."""

    policy: Text = Field(description="The policy's name.")
    until: Annotated[date, BeforeValidator(_date)] = Field(description="The last day on which it counts: `2027-01-31`.")
    because: Text = Field(description="Why; it stands in plans and reports.")
    deployments: Several = Field(
        default=(), description="Names of flows or `flow/deployment`, or patterns of them; all where it is left out."
    )

    def as_item(self) -> dict[str, Any]:
        """Return it as JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


class Enforcement(FileModel):
    """What a deployer holds a project to, whatever that says."""

    policies: tuple[PolicyItem, ...] = Field(default=(), description="The policies, each with its options.")
    exempt: tuple[ExemptionModel, ...] = Field(default=(), description="What is exempt from them, until when and why.")

    def __bool__(self) -> bool:
        return bool(self.policies or self.exempt)

    def as_json(self) -> dict[str, Any]:
        """Return it as compact JSON."""
        said = {"policies": [one.as_item() for one in self.policies], "exempt": [one.as_item() for one in self.exempt]}
        return {key: value for key, value in said.items() if value}
