"""Checks whether a project may be deployed to an environment from here."""

from __future__ import annotations

from meta_prefect.engine.observed import deployment_id
from meta_prefect.errors import ConfigurationError, ValidationFailed
from meta_prefect.git import checkout
from meta_prefect.local.environment_server import address_of, present_address
from meta_prefect.plan.gates import closed_gates
from meta_prefect.project import Environment, Project


def check_gates(project: Project, name: str) -> None:
    """Reject a deploy to an environment that may not be deployed to from here.

    Raises:
        ValidationFailed: All reasons against it, or the project has no such environment.
    """
    try:
        environment = project.environments.check(name)
    except ConfigurationError as error:
        raise ValidationFailed([error]) from None
    if environment is not None and (errors := list(closed_gates(environment, checkout(project.root)))):
        raise ValidationFailed(errors)


def check_server(project: Project, name: str) -> None:
    """Reject a deploy to a server other than the environment's own.

    A deployer lives on the server that it serves, whose URL may be different where its runs are.

    Raises:
        ValidationFailed: Another server is in use.
    """
    environment = project.environments.find(name)
    if environment is None or deployment_id() is not None:
        return
    there, here = address_of(environment), present_address()
    if there is not None and there != here:
        raise ValidationFailed([_elsewhere(environment, there, here)])


def _elsewhere(environment: Environment, there: str, here: str) -> ConfigurationError:
    key = "profile" if environment.says.profile is not None else "api_url"
    return environment.error(
        f"{environment.name} is on {there}, and the Prefect API of this run is {here}",
        key,
        hint=f"Deploy with `meta-prefect deploy --env {environment.name}`, which goes there by itself.",
    )
