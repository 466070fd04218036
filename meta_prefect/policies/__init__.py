"""Policies: rules that a team sets for every deployment, as typed functions that are checked before anything is written."""

from meta_prefect.policies.checking import Exemption, Fix, Verdict, check
from meta_prefect.policies.policy import Policy, Rule, policy
from meta_prefect.policies.values import FinishedDeployment, Level, Violation

__all__ = [
    "Exemption",
    "FinishedDeployment",
    "Fix",
    "Level",
    "Policy",
    "Rule",
    "Verdict",
    "Violation",
    "check",
    "policy",
]
