"""Derives the variables of a recipe from a function's signature, as a pydantic model."""

from __future__ import annotations

import dataclasses
import inspect
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from docstring_parser import parse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo

from meta_prefect.errors import RecipeError
from meta_prefect.interfaces.variable_group import VariableGroup
from meta_prefect.recipes.variable_errors import format_errors
from meta_prefect.redaction import remember_within

ENVIRONMENT_VARIABLE = "env"
"""The variable by which an entry pins its environment; a recipe that has it always receives the environment in use."""


def variables_model(function: Callable[..., Any], *, but_first: bool = False) -> type[BaseModel]:
    """Create the model of a recipe's variables. The docstring's ``Args`` become help texts in the UI's form.

    Metadata in an annotation, as in ``Annotated[int, Field(title="Workers", ge=1)]``, takes precedence. The fields of a
    :class:`VariableGroup` are variables like the others: required ones come before the function's own, the rest after.


    Args:
        function: The recipe's function.
        but_first: Whether to skip its first parameter.

    Raises:
        RecipeError: A parameter has no annotation, has a type without a JSON form, or is ``*args`` or ``**kwargs``; or two
            variables have the same name.
    """
    where = f"recipe {function.__name__}"
    hints = _hints(function, where)
    texts = _texts(function)
    own: dict[str, Any] = {}
    parameters = list(inspect.signature(function).parameters.items())
    if but_first and not parameters:
        hint = "Its first parameter gets the builders of the recipe that it extends."
        raise RecipeError("takes nothing, and extends another recipe", where=where, hint=hint)
    for name, parameter in parameters[but_first:]:
        _check_parameter(parameter, where)
        if name not in hints:
            raise RecipeError(
                f"the variable {name!r} has no type annotation",
                where=where,
                hint=f"Write it as `{name}: str`, for example.",
            )
        if not _is_group(hints[name]):
            default = ... if parameter.default is parameter.empty else parameter.default
            own[name] = (hints[name], _field(name, hints[name], default, texts.get(name)))
    shared = {name: field for group in groups_of(function).values() for name, field in _group_fields(group)}
    if both := sorted(own.keys() & shared.keys()):
        raise RecipeError(f"takes {both[0]!r} twice: by itself, and in a group of variables", where=where)
    first = {name: field for name, field in shared.items() if field[1].is_required()}
    fields: dict[str, Any] = {**first, **own, **shared}
    hints = {name: hint for name, (hint, _) in fields.items()}
    title = "".join(part.capitalize() for part in function.__name__.split("_"))
    try:
        with warnings.catch_warnings():
            # `schema` and `copy` are good names for variables; shadowing BaseModel's methods of these names is harmless here.
            warnings.filterwarnings("ignore", message="Field name .* shadows an attribute", category=UserWarning)
            return create_model(
                f"{title}Variables",
                __config__=ConfigDict(extra="forbid"),
                __doc__=f"Variables of {function.__name__}.",
                **fields,
            )
    except (PydanticUserError, NameError, ValueError) as error:
        raise RecipeError(_why_no_model(hints, error), where=where) from error


def groups_of(function: Callable[..., Any]) -> dict[str, type[VariableGroup]]:
    """Return the parameters of a recipe that are groups of variables, with their groups."""
    hints = _hints(function, f"recipe {function.__name__}")
    return {name: hint for name, hint in hints.items() if name != "return" and _is_group(hint)}


def _is_group(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, VariableGroup)


def _group_fields(group: type[VariableGroup]) -> Iterator[tuple[str, Any]]:
    hints = typing.get_type_hints(group, include_extras=True)
    texts: dict[str, str | None] = {}
    for one in reversed(group.__mro__):
        texts |= _texts(one)
    for field in dataclasses.fields(group):
        default = ... if field.default is dataclasses.MISSING else field.default
        yield field.name, (hints[field.name], _field(field.name, hints[field.name], default, texts.get(field.name)))


def _texts(described: Callable[..., Any]) -> dict[str, str | None]:
    return {param.arg_name: param.description for param in parse(inspect.getdoc(described) or "").params}


def check_json(function: Callable[..., Any], model: type[BaseModel]) -> None:
    """Reject variables without a JSON form, which neither the project file nor the UI's form could represent.

    Raises:
        RecipeError: Names the first such variable.
    """
    for name, field in model.model_fields.items():
        try:
            TypeAdapter[Any](field.rebuild_annotation()).json_schema()
        except PydanticUserError as error:
            raise RecipeError(
                f"the variable {name!r} has no JSON form: {_first_sentence(error)}",
                where=f"recipe {function.__name__}",
                hint="Take a name or a model instead, and look up what it means in the recipe.",
            ) from error


def _hints(function: Callable[..., Any], where: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise RecipeError(
            f"an annotation cannot be read: {error}",
            where=where,
            hint="Import what annotations name where it is there at run time, not under `if TYPE_CHECKING:`.",
        ) from error


def _check_parameter(parameter: inspect.Parameter, where: str) -> None:
    name = parameter.name
    match parameter.kind:
        case parameter.VAR_POSITIONAL:
            raise RecipeError(f"takes *{name}; a recipe names its variables", where=where)
        case parameter.VAR_KEYWORD:
            raise RecipeError(f"takes **{name}; a recipe names its variables", where=where)
        case parameter.POSITIONAL_ONLY:
            raise RecipeError(
                f"takes {name!r} by position only; variables are given by name", where=where, hint="Drop the `/`."
            )
        case _:
            pass
    if isinstance(parameter.default, FieldInfo):
        raise RecipeError(
            f"the default of {name!r} is a Field, which a plain call of the function would take for its value",
            where=where,
            hint=f"Write it as `{name}: Annotated[…, Field(…)] = …`.",
        )


def _field(name: str, hint: Any, default: Any, text: str | None) -> Any:
    said = [extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, FieldInfo)]
    own: dict[str, Any] = {}
    if not any(extra.title for extra in said):
        own["title"] = _title(name)
    if text is not None and not any(extra.description for extra in said):
        own["description"] = text
    return Field(default=default, **own)


def _why_no_model(hints: Mapping[str, Any], error: Exception) -> str:
    for name, hint in hints.items():
        try:
            if name != "return":
                TypeAdapter[Any](hint)
        except PydanticUserError as cause:
            return f"the variable {name!r} is of a type that cannot be checked: {_first_sentence(cause)}"
    return _first_sentence(error)


def _first_sentence(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(". ")[0]


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def check_variables(
    model: type[BaseModel], values: Mapping[str, Any], recipe: str, locate: Callable[..., str]
) -> BaseModel | list[RecipeError]:
    """Validate the variables of one entry.

    Args:
        model: The recipe's variables.
        values: The entry's values.
        recipe: The recipe's name, for messages.
        locate: Returns the position of a variable in the project file.

    Returns:
        The validated variables, or all errors found.
    """
    try:
        variables = model.model_validate(dict(values))
    except ValidationError as error:
        return format_errors(model, values, error, recipe, locate)
    remember_within(variables)
    return variables
