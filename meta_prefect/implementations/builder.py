"""The base class of the built-in builders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import AliasChoices, BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from meta_prefect.errors import nearest
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.interfaces.json_diff import is_mapping

__all__ = ["Builder"]


class Builder(BaseModel, FlowBuilderInterface):
    """A builder that is a frozen pydantic model, so that its arguments are validated where they are written.

    Attributes:
        step: The name of the step in the Prefect UI.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    step: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _say_which_arguments_there_are(cls, data: Any) -> Any:
        """Reject unknown arguments with a message that lists the known ones, which pydantic's own does not."""
        known = list(_arguments(cls))
        for name in data if is_mapping(data) else ():
            if name not in known:
                said = nearest(name, known)
                everything = f"Known: {', '.join(sorted(known))}." if known else "It takes none."
                hint = said if said == everything else f"{said} {everything}".strip()
                message = "{builder} takes no argument {name}"
                raise PydanticCustomError(
                    "unknown", message, {"builder": cls.__name__, "name": repr(name), "hint": hint}
                )
        return data

    @property
    def title(self) -> str:
        """The name of this step in the Prefect UI."""
        return self.step or super().title


def _arguments(builder: type[Builder]) -> Iterator[str]:
    for name, field in builder.model_fields.items():
        alias = field.validation_alias or field.alias
        yield name
        yield from (str(one) for one in (alias.choices if isinstance(alias, AliasChoices) else [alias]) if one)
