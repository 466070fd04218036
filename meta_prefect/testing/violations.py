"""Checks a deployment against policies."""

from __future__ import annotations

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.policies import FinishedDeployment, Policy, Rule, Violation, check
from meta_prefect.policies.registry import installed_rules
from meta_prefect.testing.deployments import ReadyDeployment

__all__ = ["violations_of"]


def violations_of(deployment: Deployment, *policies: Policy | Rule) -> list[Violation]:
    """Return a deployment's violations of policies.

    Args:
        deployment: A deployment, for example from :func:`~meta_prefect.testing.deployment_of`.
        policies: Policies, alone or with options (``policy.with_options(…)``); if empty, those that installed packages put
            into force.

    Raises:
        PolicyError: A policy itself failed, or requires an option.
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
