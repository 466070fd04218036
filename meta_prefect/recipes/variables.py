"""The variables of a recipe: from a function's signature to a pydantic model."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from docstring_parser import parse
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from meta_prefect.errors import RecipeError, nearest

ENVIRONMENT_VARIABLE = "env"
"""The variable by which an entry pins its environment; a recipe that takes it always gets the environment in force."""


def variables_model(function: Callable[..., Any]) -> type[BaseModel]:
    """Make the model of a recipe's variables. The docstring's ``Args`` become help texts of the UI's form.

    Raises:
        RecipeError: A parameter has no annotation, or is ``*args`` or ``**kwargs``.
    """
    where = f"recipe {function.__name__}"
    hints = typing.get_type_hints(function, include_extras=True)
    texts = {param.arg_name: param.description for param in parse(inspect.getdoc(function) or "").params}
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise RecipeError(f"takes *{name}; a recipe names its variables", where=where)
        if name not in hints:
            raise RecipeError(
                f"the variable {name!r} has no type annotation",
                where=where,
                hint=f"Write it as `{name}: str`, for example.",
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (
            hints[name],
            Field(default=default, title=_title(name), description=texts.get(name)),
        )
    title = "".join(part.capitalize() for part in function.__name__.split("_"))
    return create_model(
        f"{title}Variables",
        __config__=ConfigDict(extra="forbid"),
        __doc__=f"Variables of {function.__name__}.",
        **fields,
    )


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def check_variables(
    model: type[BaseModel], values: Mapping[str, Any], recipe: str, locate: Callable[..., str]
) -> BaseModel | list[RecipeError]:
    """Validate the variables of one entry.

    Args:
        model: The recipe's variables.
        values: What the entry says.
        recipe: The recipe's name, for messages.
        locate: Gives the place of a variable in the project file.

    Returns:
        The validated variables, or everything that is wrong with them.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        return [_told(model, one, recipe, locate) for one in error.errors()]


def _told(model: type[BaseModel], error: Any, recipe: str, locate: Callable[..., str]) -> RecipeError:
    place: tuple[Any, ...] = error["loc"]
    variable = ".".join(str(part) for part in place)
    known = sorted(model.model_fields)
    match error["type"]:
        case "missing":
            return RecipeError(
                f"the recipe {recipe!r} needs the variable {variable!r}",
                where=locate("variables"),
                hint=f"Add `{variable}:` under `variables:`.",
            )
        case "extra_forbidden" if len(place) == 1:
            return RecipeError(
                f"the recipe {recipe!r} has no variable {variable!r}",
                where=locate("variables", *place),
                hint=nearest(variable, known),
            )
        case _:
            message = str(error["msg"]).removeprefix("Value error, ")
            return RecipeError(
                f"{message} (got {error['input']!r})", where=locate("variables", *place), hint=f"Recipe: {recipe}."
            )
