"""Passes the environment to runs, as the variable META_PREFECT__ENV.

The pool's template gets an additional string variable, ``meta_env``, which the job's environment refers to; each deployment
sets it. ``env`` itself remains Prefect's dictionary of environment variables, so that a deployment's own variables are merged
as usual. In a pool managed by someone else, whose template has no ``meta_env``, the deployment's ``env`` carries it instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, is_mapping

ENVIRONMENT_VARIABLE: Final = "meta_env"

ENVIRONMENT_TEMPLATE: Final[Record] = {
    "variables": {
        "properties": {
            ENVIRONMENT_VARIABLE: {
                "type": "string",
                "title": "Meta-Prefect environment",
                "description": "The environment that runs see as META_PREFECT__ENV.",
                "default": "dev",
            }
        }
    },
    "job_configuration": {"env": {"META_PREFECT__ENV": "{{ " + ENVIRONMENT_VARIABLE + " }}"}},
}
"""Additions to a pool's template. Prefect merges a deployment's ``env`` into the dictionary defined here."""

_PLACEHOLDER: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def set_environment(deployment: Deployment) -> Deployment:
    """Pass its environment to a deployment's runs."""
    deployment.job_variables = {**deployment.job_variables, ENVIRONMENT_VARIABLE: deployment.environment}
    return deployment


def fitted(
    job_variables: Record, template: Record, additions: Record, live: Record | None = None
) -> tuple[Record, tuple[str, ...]]:
    """Move environment variables into ``env`` if the pool's template does not pass them on.

    Args:
        job_variables: A deployment's job variables, as set by its builders.
        template: The future template of its pool. An empty one is not known yet and is assumed to have ``env``.
        additions: What the builders would add to the template if the pool were ours.
        live: The job variables of the live deployment in the same pool. If they carry the same values in ``env``, the values
            stay there even if the template supports them by now.

    Returns:
        The job variables, and the names of the environment variables that will not reach the runs.
    """
    if ENVIRONMENT_VARIABLE not in job_variables:
        return job_variables, ()
    promised = _environment(ENVIRONMENT_TEMPLATE) | _environment(additions)
    values = {name: job_variables[variable] for name, variable in promised.items() if variable in job_variables}
    takes_env = not template or _takes_environment(template)
    if _hands_over(template, ENVIRONMENT_VARIABLE) and not (takes_env and _carries(live or {}, values)):
        return job_variables, ()
    rest = {name: value for name, value in job_variables.items() if name != ENVIRONMENT_VARIABLE}
    env = rest.get("env", {})
    if not takes_env or not is_mapping(env):
        return rest, tuple(values)
    # A deployment's own variable of that name wins, as it does over the template's.
    added = {name: value for name, value in values.items() if name not in env and f"env.{name}" not in rest}
    return {**rest, "env": {**env, **added}} if added else rest, ()


def _environment(additions: Record) -> dict[str, str]:
    """Map each environment variable of a template to the job variable that supplies its value."""
    env: Record = additions.get("job_configuration", {}).get("env", {})
    found = {name: _PLACEHOLDER.fullmatch(value) for name, value in env.items()}
    return {name: match[1] for name, match in found.items() if match is not None}


def _declared(template: Record) -> Mapping[str, Any]:
    schema: Record = template.get("variables") or {}
    return schema.get("properties") or {}


def _hands_over(template: Record, variable: str) -> bool:
    """Return whether a template has a variable and the job uses it."""
    return variable in _declared(template) and _refers(template.get("job_configuration"), variable)


def _refers(value: Any, variable: str) -> bool:
    match value:
        case str():
            return variable in _PLACEHOLDER.findall(value)
        case dict():
            return any(_refers(inner, variable) for inner in cast("dict[str, Any]", value).values())
        case list():
            return any(_refers(inner, variable) for inner in cast("list[Any]", value))
        case _:
            return False


def _takes_environment(template: Record) -> bool:
    """Return whether a deployment's ``env`` reaches the job, as an object that the worker merges into Prefect's own."""
    env: object = _declared(template).get("env")
    configuration: Record = template.get("job_configuration") or {}
    is_object = is_mapping(env) and env.get("type", "object") == "object"
    return is_object and (is_mapping(configuration.get("env")) or _hands_over(template, "env"))


def _carries(live: Record, values: Record) -> bool:
    """Return whether a live deployment carries the values only in ``env``."""
    env: object = live.get("env")
    return ENVIRONMENT_VARIABLE not in live and is_mapping(env) and values.items() <= env.items()
