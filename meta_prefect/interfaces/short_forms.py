"""Short forms: what a project file may contain instead of a list or an object, and how the editor schema describes them.

Forms in the Prefect UI are made from the same models, but use only the full form, in which each field has its input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

_FORMS = "__short_forms__"
_Reader = TypeVar("_Reader", bound=Callable[..., object])


def reads(*forms: JsonSchemaValue) -> Callable[[_Reader], _Reader]:
    """Declare which additional JSON forms a before-validator accepts.

    Args:
        forms: JSON schemas, or ``ONE`` for a single item of the field's list.
    """

    def mark(reader: _Reader) -> _Reader:
        setattr(reader, _FORMS, forms)
        return reader

    return mark


ONE: JsonSchemaValue = {"items": {}}
"""A single item instead of a list with one item."""

TEXT: JsonSchemaValue = {"type": "string"}
NUMBER: JsonSchemaValue = {"type": "number"}


@reads(ONE)
def one_or_many(value: object) -> object:
    """Convert a single item to a list; None stays None."""
    alone = value is not None and not isinstance(value, list | tuple | set | frozenset)
    return (cast("object", value),) if alone else cast("object", value)


class EditorSchema(GenerateJsonSchema):
    """Generates the schema of the project file, including short forms."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """Return the full form of a field, or alternatively the forms its validator accepts."""
        full = super().function_before_schema(schema)
        # on a model, the short form replaces the whole object
        return full if schema["schema"]["type"] == "model-fields" else _or_in_short(full, schema)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the object, or alternatively the forms a validator of the whole model accepts."""
        return _or_in_short(super().model_schema(schema), schema["schema"])


def _or_in_short(full: JsonSchemaValue, schema: core_schema.CoreSchema) -> JsonSchemaValue:
    if schema["type"] != "function-before":
        return full
    forms: tuple[JsonSchemaValue, ...] = getattr(schema["function"]["function"], _FORMS, ())
    short = [item for form in forms for item in (_items(full) if form is ONE else [form])]
    return {"anyOf": [*full["anyOf"], *short] if full.keys() == {"anyOf"} else [full, *short]} if short else full


def _items(full: JsonSchemaValue) -> list[Any]:
    """Return the item schemas of the lists that a schema allows."""
    return [one["items"] for one in full.get("anyOf", [full]) if one.get("type") == "array" and "items" in one]
