"""What a deployment does against policies."""

from __future__ import annotations

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.policies import FinishedDeployment, Policy, Rule, Violation, check
from meta_prefect.policies.registry import installed_rules
from meta_prefect.testing.deployments import ReadyDeployment

__all__ = ["violations_of"]


def violations_of(deployment: Deployment, *policies: Policy | Rule) -> list[Violation]:
    """Hold a deployment against policies.

    Args:
        deployment: A deployment, such as :func:`~meta_prefect.testing.deployment_of` gives one.
        policies: Policies, alone or with options (``policy.with_options(…)``); none means those that installed packages put into
            force.

    Raises:
        PolicyError: A policy does not work, or needs an option.
    """
    rules = [one if isinstance(one, Rule) else one.with_options() for one in policies] or installed_rules()
    return list(check(_finished(deployment), rules).violations)


def _finished(deployment: Deployment) -> FinishedDeployment:
    if not isinstance(deployment, ReadyDeployment):
        return FinishedDeployment(deployment=deployment)
    return FinishedDeployment(
        deployment=deployment,
        recipe=deployment.recipe,
        variables=deployment.variables,
        components=deployment.components,
    )
