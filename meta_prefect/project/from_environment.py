"""Values in the project file taken from environment variables: ``$env:BUCKET``, or ``s3://${env:BUCKET}/x``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from meta_prefect.errors import ConfigurationError, ProjectFileError
from meta_prefect.redaction import is_secret_name

_PREFIX: Final = "$env:"
_IN_TEXT: Final = re.compile(r"\$\{env:([^{}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def refers_to_environment(value: object) -> bool:
    """Return whether a value contains a reference, at any depth."""
    match value:
        case str():
            return value.startswith(_PREFIX) or _IN_TEXT.search(value) is not None
        case dict():
            return any(map(refers_to_environment, cast("dict[str, object]", value).values()))
        case list():
            return any(map(refers_to_environment, cast("list[object]", value)))
        case _:
            return False


def with_environment(
    values: Mapping[str, Any], locate: Callable[..., str]
) -> tuple[dict[str, Any], list[ConfigurationError]]:
    """Replace references to environment variables by their values, at any depth.

    A reference is either a whole text, or part of one, in braces. Its value is text too; a recipe's variable parses it into a
    number or boolean like any other text.


    Args:
        values: The variables of an entry, as written.
        locate: Returns the position of a variable in the project file.

    Returns:
        The values, and the errors found: a variable is not set, or its target is a secret, which would be stored with the
        deployment in plain text.
    """
    errors: list[ConfigurationError] = []

    def resolved(value: Any, place: tuple[str | int, ...]) -> Any:
        match value:
            case str() if refers_to_environment(value):
                where = locate("variables", *place)
                try:
                    if value.startswith(_PREFIX):
                        return _looked_up(value.removeprefix(_PREFIX), place, where)
                    return _IN_TEXT.sub(lambda match: _looked_up(match[1], place, where), value)
                except ConfigurationError as error:
                    errors.append(error)
                    return value
            case dict():
                return {key: resolved(one, (*place, key)) for key, one in cast("dict[str, Any]", value).items()}
            case list():
                return [resolved(one, (*place, index)) for index, one in enumerate(cast("list[Any]", value))]
            case _:
                return value

    return {name: resolved(value, (name,)) for name, value in values.items()}, errors


def _looked_up(name: str, place: tuple[str | int, ...], where: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ProjectFileError(
            f"'{_PREFIX}{name}' names no environment variable",
            where=where,
            hint=f"Write the whole value as `{_PREFIX}NAME`, or a part of it as `${{env:NAME}}`.",
        )
    # The recipes' `secrets` contain names of secrets, not secrets.
    parts = (name,) if place[0] == "secrets" else (name, *place)
    if any(is_secret_name(str(part)) for part in parts):
        raise ProjectFileError(
            f"'{_PREFIX}{name}' would write a secret into the deployment, for all to read",
            where=where,
            hint="Save it as a block, and write `{{ prefect.blocks.secret.NAME }}` among job variables, or load it in the flow.",
        )
    if name not in os.environ:
        raise ProjectFileError(
            f"the environment variable {name} is not set",
            where=where,
            hint="Set it where the deploy runs, or write the value.",
        )
    return os.environ[name]
