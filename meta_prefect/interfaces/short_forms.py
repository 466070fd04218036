"""Short forms: what may be written in a project file instead of a list or an object, and how editors hear of it.

The forms of the Prefect UI are made from the same models. They keep to the full form, in which each field has its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

_FORMS = "__short_forms__"
_Reader = TypeVar("_Reader", bound=Callable[..., object])


def reads(*forms: JsonSchemaValue) -> Callable[[_Reader], _Reader]:
    """Mark a validator that runs before a field or model, and say what it reads besides.

    Args:
        forms: JSON schemas, or ``ONE`` for an item of the list that the field holds.
    """

    def mark(reader: _Reader) -> _Reader:
        setattr(reader, _FORMS, forms)
        return reader

    return mark


ONE: JsonSchemaValue = {"items": {}}
"""A single item instead of a list of one."""

TEXT: JsonSchemaValue = {"type": "string"}
NUMBER: JsonSchemaValue = {"type": "number"}


@reads(ONE)
def one_or_many(value: object) -> object:
    """Read a single item as a list of one; None stays None."""
    alone = value is not None and not isinstance(value, list | tuple | set | frozenset)
    return (cast("object", value),) if alone else cast("object", value)


class EditorSchema(GenerateJsonSchema):
    """Generates the schema of what may be written, short forms included."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """The full form of a field, or one of those that its validator reads besides."""
        full = super().function_before_schema(schema)
        # inside a model, the short form stands for the whole of it
        return full if schema["schema"]["type"] == "model-fields" else _or_in_short(full, schema)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """The object, or one of the forms that a validator of the whole model reads besides."""
        return _or_in_short(super().model_schema(schema), schema["schema"])


def _or_in_short(full: JsonSchemaValue, schema: core_schema.CoreSchema) -> JsonSchemaValue:
    if schema["type"] != "function-before":
        return full
    forms: tuple[JsonSchemaValue, ...] = getattr(schema["function"]["function"], _FORMS, ())
    short = [item for form in forms for item in (_items(full) if form is ONE else [form])]
    return {"anyOf": [*full["anyOf"], *short] if full.keys() == {"anyOf"} else [full, *short]} if short else full


def _items(full: JsonSchemaValue) -> list[Any]:
    """What the lists hold that such a schema allows."""
    return [one["items"] for one in full.get("anyOf", [full]) if one.get("type") == "array" and "items" in one]
