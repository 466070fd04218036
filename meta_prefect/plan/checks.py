"""Validates deployments before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match  # pyright: ignore[reportUnknownVariableType] - untyped in the stubs

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.interfaces.deployment import Allowed, Deployment
from meta_prefect.interfaces.json_diff import Record, is_mapping, merged
from meta_prefect.redaction import is_secret_name
from meta_prefect.sealing import HIDDEN

_REFERENCE = "{{"


class _UnknownNameError(ConfigurationError):
    """An unknown key."""


_worst = cast("Callable[[Iterable[Any]], Any]", best_match)


def check_parameters(deployment: Deployment) -> Iterator[ConfigurationError]:
    """Validate default parameters, including those of schedules, against the flow's own schema.

    Prefect validates the former only when they are stored, if at all, and the latter never: their runs would fail.
    """
    for place, values in parameters_by_place(deployment).items():
        found = _check(values, deployment.form, f"{place} of {deployment.full_name}", "the flow has no parameter")
        yield from _unless_allowed(found, "unknown_parameters", deployment)


def parameters_by_place(deployment: Deployment) -> dict[str, Record]:
    """Return a deployment's default parameters and those of its schedules, by the words that name them in messages."""
    of_schedules = {f"parameters of schedule {one.slug!r}": one.parameters for one in deployment.schedules or ()}
    of_smoke = {"parameters of the smoke run": deployment.smoke.parameters} if deployment.smoke is not None else {}
    return {"parameters": deployment.parameters, **of_schedules, **of_smoke}


def check_smoke(deployment: Deployment) -> Iterator[ConfigurationError]:
    """Check that a smoke run has a value for each required parameter of its flow."""
    if deployment.smoke is not None:
        for name in deployment.open_parameters:
            if name not in deployment.smoke.parameters:
                yield ConfigurationError(
                    f"the smoke run of {deployment.full_name} has no value for the parameter {name!r}, which its flow needs",
                    hint=f"Give it one: `smoke: {{parameters: {{{name}: …}}}}`; or let it do without: `smoke: false`.",
                ).is_about("smoke", value=deployment.smoke.parameters)


def check_job_variables(
    deployment: Deployment, template: Record, additions: Record | None = None
) -> Iterator[ConfigurationError]:
    """Validate job variables against a pool's template. Prefect silently ignores unknown ones.

    Args:
        deployment: The deployment.
        template: The future template of its pool. An empty one, from a pool that has not had a worker yet, says nothing about
            job variables.
        additions: What the deployment's builders would add to the template if it were ours.
    """
    if not template:
        return
    schema: Record = template.get("variables") or {}
    values: Record = {}
    for name, value in deployment.job_variables.items():
        values = merged(values, _nested(name.split("."), value))
    where = f"job variables of {deployment.full_name}"
    known: Mapping[str, Record] = schema.get("properties") or {}
    added: Mapping[str, Any] = (additions or {}).get("variables", {}).get("properties", {})
    for name in values.keys() & added.keys() - known.keys():
        yield _lacking(deployment, name, values.pop(name), additions or {})
    required: Collection[str] = schema.get("required") or ()
    # Prefect accepts null for anything optional: the worker then omits it.
    given = {
        name: value for name, value in values.items() if value is not None or name in required or name not in known
    }
    found = _check(given, schema, where, f"work pool {deployment.work_pool_name!r} has no job variable")
    yield from _unless_allowed(found, "unknown_job_variables", deployment)
    for name in required:
        if name not in values and "default" not in known.get(name, {}):
            yield ConfigurationError(
                f"work pool {deployment.work_pool_name!r} needs the job variable {name!r}",
                where=where,
                hint=f"Its template has no default for it: set `{name}` among the job variables.",
            ).is_about("job_variables")


def _unless_allowed(
    errors: Iterable[ConfigurationError], allowance: Allowed, deployment: Deployment
) -> Iterator[ConfigurationError]:
    """Drop errors about unknown names if those are allowed."""
    for error in errors:
        if not isinstance(error, _UnknownNameError):
            yield error
        elif allowance not in deployment.allowed:
            yield error.allowed_as(allowance)


def _nested(keys: Sequence[str], value: Any) -> Record:
    """Expand ``env.STAGE`` as the worker does: as a key in ``env``."""
    return {keys[0]: _nested(keys[1:], value) if len(keys) > 1 else value}


def _lacking(deployment: Deployment, name: str, value: object, additions: Record) -> ConfigurationError:
    """Explain what a pool managed by someone else lacks for a deployment."""
    place = next(_places(additions.get("job_configuration"), "{{ " + name + " }}", "job_configuration"), None)
    used = f" and `{{{{ {name} }}}}` to its `{place}`" if place else ""
    return ConfigurationError(
        f"the template of work pool {deployment.work_pool_name!r} has no variable {name!r}, which the recipe sets; "
        "Meta-Prefect did not create that pool, and will not change it",
        where=f"job variables of {deployment.full_name}",
        hint=f"Let the pool's owner add the variable{used}, leave out what needs it, or choose another pool.",
    ).is_about(name, value=value)


def _places(value: Any, wanted: str, place: str) -> Iterator[str]:
    """Yield the paths of a text in a template patch."""
    if value == wanted:
        yield place
    elif is_mapping(value):
        for key, inner in value.items():
            yield from _places(inner, wanted, f"{place}.{key}")


def _check(values: Mapping[str, Any], schema: Record, where: str, unknown: str) -> Iterator[ConfigurationError]:
    known: Mapping[str, Record] = schema.get("properties") or {}
    shared = {key: schema[key] for key in ("definitions", "$defs") if key in schema}
    for name, value in values.items():
        if name not in known:
            error = _UnknownNameError(f"{unknown} {name!r}", where=where, hint=nearest(name, known))
            yield error.is_about(name, value=value)
            continue
        if (error := _worst(_misfits(value, {**known[name], **shared}))) is not None:
            wrong: object = error.instance
            keys = (name, *(str(part) for part in error.absolute_path))
            # No alternative of a union matches: report why for each.
            messages = dict.fromkeys(inner.message for inner in error.context or [error])
            if is_secret_name(keys[-1]) and isinstance(wrong, str | int | float):
                messages = {f"{HIDDEN} is not what the schema asks for": None}
            refused = ConfigurationError(f"{'.'.join(keys)}: {'; or: '.join(messages)}", where=where)
            yield refused.is_about(*keys, value=wrong)


def _misfits(value: Any, schema: Record) -> list[Any]:
    """Validate with jsonschema. A schema it cannot process, as in some old templates, yields nothing; the server decides."""
    validator: Any = Draft202012Validator(schema)
    try:
        return [error for error in validator.iter_errors(value) if not _concerns_reference(error)]
    except Exception:  # noqa: BLE001 - a template is anybody's: a list for `items`, a `$ref` that leads nowhere, a wrong pattern
        return []


def _concerns_reference(error: Any) -> bool:
    """Return whether a value is invalid only because Prefect resolves it in the run.

    That is the case for ``{{ prefect.blocks.secret.x }}`` and ``{"$ref": {"block_document_id": …}}``.
    """
    instance: object = error.instance
    if (isinstance(instance, str) and _REFERENCE in instance) or (is_mapping(instance) and "$ref" in instance):
        return True
    return any(_concerns_reference(inner) for inner in error.context or ())
