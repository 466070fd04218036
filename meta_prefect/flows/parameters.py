"""The parameter schema of a flow, for the run form."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from pydantic.fields import FieldInfo


def parameter_form(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the JSON schema of a function's parameters as `prefect deploy` stores it, plus titles and help from annotations.

    Prefect computes it once the module is loaded: when the flow is decorated, models defined further down do not exist yet.
    Prefect's schema titles each parameter with its name and takes help texts only from the docstring's ``Args``; what
    ``Annotated[int, Field(title="Workers", description="…")]`` specifies is lost there.
    """
    from meta_prefect.prefect_internals.utilities import parameter_schema

    schema: dict[str, Any] = parameter_schema(function).model_dump(exclude_unset=True)
    properties: dict[str, dict[str, Any]] = schema.get("properties") or {}
    said = _said(function)
    if not said.keys() & properties.keys():
        return schema
    described = {name: {**text, **said.get(name, {})} for name, text in properties.items()}
    return {**schema, "properties": described}


def _said(function: Callable[..., Any]) -> dict[str, dict[str, str]]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}  # annotations use names that exist only for type checkers
    found: dict[str, dict[str, str]] = {}
    for name, hint in hints.items():
        for extra in getattr(hint, "__metadata__", ()):
            if isinstance(extra, FieldInfo):
                texts = {"title": extra.title, "description": extra.description}
                found.setdefault(name, {}).update({key: text for key, text in texts.items() if text})
    return found
