"""How a run learns which environment it belongs to: the variable META_PREFECT__ENV.

The pool's template has one string variable more, ``meta_env``, which the job's environment refers to; each deployment sets
it. ``env`` itself stays Prefect's dictionary of environment variables, so that a deployment's own ones are merged as always.
"""

from __future__ import annotations

from typing import Final

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record

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
"""What is added to a pool's template. Prefect merges a deployment's ``env`` over the dictionary that stands here."""


def set_environment(deployment: Deployment) -> Deployment:
    """Let the runs of a deployment know their environment."""
    deployment.job_variables = {**deployment.job_variables, ENVIRONMENT_VARIABLE: deployment.environment}
    return deployment
