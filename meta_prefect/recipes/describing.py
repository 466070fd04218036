"""Describes recipes as values, for the command line and for editors."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pydantic import AliasChoices, BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from meta_prefect.errors import MetaPrefectError
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.short_forms import EditorSchema
from meta_prefect.project import json_schema
from meta_prefect.recipes.recipe import Recipe
from meta_prefect.redaction import hidden


class VariableDescription(BaseModel):
    """One variable of a recipe.

    Attributes:
        name: Its name.
        type: Its type in words.
        required: Whether an entry must set it.
        default: Its default as JSON.
        help: Its help text, from the docstring.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: str
    required: bool
    default: str = ""
    help: str = ""


class RecipeDescription(BaseModel):
    """A recipe.

    Attributes:
        name: Its name in the project file.
        summary: The first line of its docstring.
        origin: Where it is defined.
        variables: Its variables.
        builders: The steps of its chain, in the order in which they apply; empty if they depend on the variables' values.
        example: An example entry for the project file.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    origin: str
    variables: tuple[VariableDescription, ...]
    builders: tuple[str, ...]
    example: str


def describe(recipe: Recipe) -> RecipeDescription:
    """Describe a recipe."""
    schema: Record = recipe.variables_model.model_json_schema()
    properties: dict[str, Record] = schema.get("properties", {})
    variables = tuple(
        _variable(name, field, properties[name]) for name, field in recipe.variables_model.model_fields.items()
    )
    return RecipeDescription(
        name=recipe.recipe_name,
        summary=recipe.summary,
        origin=recipe.entrypoint,
        variables=variables,
        builders=_steps(recipe, properties),
        example=_example(recipe, properties),
    )


def _variable(name: str, field: FieldInfo, schema: Record) -> VariableDescription:
    required = field.is_required()
    default = "" if required else json.dumps(hidden(schema.get("default"), name), default=str)
    return VariableDescription(
        name=name, type=_type(schema), required=required, default=default, help=field.description or ""
    )


def _type(schema: Record) -> str:
    if alternatives := schema.get("anyOf"):
        names = dict.fromkeys(_type(one) for one in alternatives)
        return " or ".join(name for name in names if name != "null") or "null"
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _sample(schema: Record) -> Any:
    """Return an example value of a variable."""
    if examples := schema.get("examples"):
        return examples[0]
    samples: dict[str, Any] = {"string": "…", "integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}
    alternatives: list[Record] = schema.get("anyOf", [schema])
    return samples.get(str(alternatives[0].get("type")), "…")


def _required(recipe: Recipe, properties: dict[str, Record]) -> dict[str, Any]:
    fields = recipe.variables_model.model_fields
    return {name: _sample(properties[name]) for name, field in fields.items() if field.is_required()}


def _steps(recipe: Recipe, properties: dict[str, Record]) -> tuple[str, ...]:
    try:
        variables = recipe.variables_model.model_validate(_required(recipe, properties))
        return tuple(builder.title for builder in recipe.builders(variables, "dev"))
    except (MetaPrefectError, ValueError):
        return ()


def _example(recipe: Recipe, properties: dict[str, Record]) -> str:
    variables = json.dumps(_required(recipe, properties), ensure_ascii=False)
    return f"- recipe: {recipe.recipe_name}\n  variables: {variables}"


def _written(recipe: Recipe) -> Record:
    """Return the schema of a recipe's variables as written in a file, including short forms and aliases."""
    model = recipe.variables_model
    schema = model.model_json_schema(ref_template="#/$defs/{model}", schema_generator=EditorSchema)
    for field in model.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            first, *others = (name for name in field.validation_alias.choices if isinstance(name, str))
            schema["properties"] |= dict.fromkeys(others, schema["properties"][first])
    return schema


def project_schema(recipes: list[Recipe], *, of_part: bool = False) -> Record:
    """Return the JSON schema of a project file that uses these recipes, including their variables.

    Editors use it through a line ``# yaml-language-server: $schema=…`` at the top of the file.

    Args:
        recipes: The recipes.
        of_part: Whether it is for an included file.
    """
    schema = json_schema(of_part=of_part)
    definitions: Record = schema.setdefault("$defs", {})
    entry: Record = definitions["EntryModel"]
    entry["properties"]["recipe"]["examples"] = [recipe.recipe_name for recipe in recipes]
    rules: list[Record] = []
    for recipe in recipes:
        own = _written(recipe)
        definitions.update(own.pop("$defs", {}))
        definitions[f"{recipe.recipe_name} variables"] = own
        rules.append(
            {
                "if": {"properties": {"recipe": {"const": recipe.recipe_name}}, "required": ["recipe"]},
                "then": {"properties": {"variables": {"$ref": f"#/$defs/{recipe.recipe_name} variables"}}},
            }
        )
    entry["allOf"] = rules
    return schema
