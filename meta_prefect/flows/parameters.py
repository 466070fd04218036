"""The parameters of a flow as the run form shows them."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from pydantic.fields import FieldInfo


def parameter_form(function: Callable[..., Any]) -> dict[str, Any]:
    """The JSON schema of a function's parameters as `prefect deploy` stores it, with titles and help texts of annotations.

    Prefect is asked once the module is loaded: when a flow is decorated, models that are defined further down are not there yet.
    Its own schema titles each parameter with its name, and takes help from the docstring's ``Args`` alone: what
    ``Annotated[int, Field(title="Workers", description="…")]`` says is lost there.
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
        return {}  # the annotations name what only type checkers see
    found: dict[str, dict[str, str]] = {}
    for name, hint in hints.items():
        for extra in getattr(hint, "__metadata__", ()):
            if isinstance(extra, FieldInfo):
                texts = {"title": extra.title, "description": extra.description}
                found.setdefault(name, {}).update({key: text for key, text in texts.items() if text})
    return found
