"""What can be known to be wrong with a deployment before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match  # pyright: ignore[reportUnknownVariableType] - untyped in the stubs

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.records import Record

_REFERENCE = "{{"

_worst = cast("Callable[[Iterable[Any]], Any]", best_match)


def check_parameters(deployment: Deployment) -> Iterator[ConfigurationError]:
    """Check default parameters, and those of schedules, against the flow's own schema.

    Prefect checks the first at best when they are stored, and the second never: their runs fail.
    """
    schema = deployment.form
    sources = {"parameters": deployment.parameters}
    for schedule in deployment.schedules or ():
        sources[f"parameters of schedule {schedule.slug!r}"] = schedule.parameters
    for place, values in sources.items():
        yield from _check(values, schema, f"{place} of {deployment.full_name}", "the flow has no parameter")


def check_job_variables(deployment: Deployment, template: Record) -> Iterator[ConfigurationError]:
    """Check job variables against a pool's template. Prefect ignores unknown ones without a word.

    Args:
        deployment: The deployment.
        template: The template of its pool as it will be. An empty one, as of a pool that no worker has served yet, says
            nothing about job variables.
    """
    if not template:
        return
    schema: Record = template.get("variables") or {}
    values = {name.partition(".")[0]: value for name, value in deployment.job_variables.items() if "." not in name}
    dotted = {name.partition(".")[0] for name in deployment.job_variables if "." in name}
    known: Mapping[str, Any] = schema.get("properties") or {}
    where = f"job variables of {deployment.full_name}"
    what = f"work pool {deployment.work_pool_name!r} has no job variable"
    yield from _check(values, schema, where, what)
    for name in sorted(dotted - known.keys()):
        yield ConfigurationError(f"{what} {name!r}", where=where, hint=nearest(name, known))


def _check(values: Mapping[str, Any], schema: Record, where: str, unknown: str) -> Iterator[ConfigurationError]:
    known: Mapping[str, Record] = schema.get("properties") or {}
    shared = {key: schema[key] for key in ("definitions", "$defs") if key in schema}
    for name, value in values.items():
        if name not in known:
            yield ConfigurationError(f"{unknown} {name!r}", where=where, hint=nearest(name, known)).is_about(
                name, value=value
            )
        elif not _is_reference(value):
            validator: Any = Draft202012Validator({**known[name], **shared})
            if (error := _worst(validator.iter_errors(value))) is not None:
                place = ".".join(str(part) for part in (name, *error.absolute_path))
                # Of several alternatives none fits: each says why.
                told = dict.fromkeys(inner.message for inner in error.context or [error])
                yield ConfigurationError(f"{place}: {'; or: '.join(told)}", where=where).is_about(
                    *place.split("."), value=error.instance
                )


def _is_reference(value: Any) -> bool:
    """Whether a value holds a reference that Prefect resolves in the run, such as ``{{ prefect.blocks.secret.x }}``."""
    match value:
        case str():
            return _REFERENCE in value
        case dict():
            return any(_is_reference(inner) for inner in cast("dict[str, Any]", value).values())
        case list():
            return any(_is_reference(inner) for inner in cast("list[Any]", value))
        case _:
            return False
