"""Shared field types of the project file."""

from __future__ import annotations

from typing import Annotated, ClassVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from meta_prefect.texts import check_plain


def _filled(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("empty", "is empty")
    return check_plain(text)


def one_or_several(value: object) -> object:
    """Wrap a single text in a list."""
    return [value] if isinstance(value, str) else value


Text = Annotated[str, AfterValidator(_filled)]


class FileModel(BaseModel):
    """A mapping in the project file: unknown keys are rejected; an optional key without a value counts as omitted."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_values(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        values = cast("dict[str, object]", data)
        return {key: value for key, value in values.items() if value is not None or key not in cls.model_fields}
