"""Derives a policy's options from its function's signature, as a model that validates them."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, Final

from docstring_parser import parse
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticUserError

from meta_prefect.errors import PolicyError

_RESERVED: Final = frozenset({"policy", "level", "environments", "origin"})


def options_model(function: Callable[..., Any], where: str) -> type[BaseModel]:
    """Create the model of a policy's options: all parameters of its function but the first.

    Raises:
        PolicyError: A parameter cannot be an option, or the function has no parameters.
    """
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        hint = "Import what annotations name where it is there at run time, not under `if TYPE_CHECKING:`."
        raise PolicyError(f"an annotation cannot be read: {error}", where=where, hint=hint) from error
    texts = {one.arg_name: one.description for one in parse(inspect.getdoc(function) or "").params}
    first, *others = [*inspect.signature(function).parameters.values(), None]
    if first is None:
        raise PolicyError("takes nothing", where=where, hint="Its first parameter is the finished deployment.")
    fields: dict[str, Any] = {}
    for parameter in filter(None, others):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise PolicyError(f"{parameter}: options are given by name", where=where)
        if parameter.name not in hints or parameter.name in _RESERVED:
            why = "is taken" if parameter.name in _RESERVED else "has no type annotation"
            raise PolicyError(f"the option {parameter.name!r} {why}", where=where)
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], Field(default, description=texts.get(parameter.name)))
    try:
        return create_model(f"{function.__name__}_options", __config__=ConfigDict(extra="forbid"), **fields)
    except (PydanticUserError, NameError, ValueError) as error:
        raise PolicyError(f"an option cannot be checked: {error}", where=where) from error
