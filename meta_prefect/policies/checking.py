"""Checks a finished deployment against policies: a pure function, used both by deploys and by tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from typing import Final

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import is_mapping
from meta_prefect.policies.policy import Rule
from meta_prefect.policies.values import FinishedDeployment, Violation

_NOT_LIFTED: Final = "The project's exemption does not lift what its deployer enforces."


@dataclass(frozen=True, slots=True)
class Exemption:
    """A temporary exemption from a policy.

    Attributes:
        policy: The policy's name.
        until: The last day it applies, in UTC.
        because: The reason.
        deployments: Names of flows or ``flow/deployment``, or patterns; empty means all.
        where: Where it is defined.
        is_enforced: Whether it applies to policies enforced by the deployer.
    """

    policy: str
    until: date
    because: str
    deployments: tuple[str, ...] = ()
    where: str = ""
    is_enforced: bool = False

    def covers(self, rule: Rule, deployment: Deployment) -> bool:
        """Return whether it exempts a deployment from a rule."""
        if rule.name != self.policy or (rule.is_enforced and not self.is_enforced):
            return False
        names = (deployment.full_name, deployment.flow.name)
        return not self.deployments or any(fnmatchcase(name, one) for name in names for one in self.deployments)

    def __str__(self) -> str:
        return f"exempt from policy {self.policy} until {self.until}, because {self.because}"


@dataclass(frozen=True, slots=True)
class Fix:
    """A change made by a policy.

    Attributes:
        policy: Its name.
        fields: The changed fields, keys joined by dots.
    """

    policy: str
    fields: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.fields)} set by policy {self.policy}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking a deployment against policies.

    Attributes:
        finished: The deployment, including the policies' changes.
        violations: The violations found.
        exemptions: The exemptions that suppressed violations.
        fixes: The changes made by policies.
    """

    finished: FinishedDeployment
    violations: tuple[Violation, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    fixes: tuple[Fix, ...] = ()

    @property
    def denied(self) -> tuple[Violation, ...]:
        """The violations that prevent its deployment."""
        return tuple(one for one in self.violations if one.level == "deny")

    @property
    def remarks(self) -> Iterator[str]:
        """Notes for the user: warnings, exemptions and changes."""
        yield from map(str, (*self.fixes, *self.exemptions))
        yield from (f"{one} ({one.hint})" if one.hint else str(one) for one in self.violations if one.level == "warn")

    def with_rule(self, rule: Rule, exemptions: Iterable[Exemption] = ()) -> Verdict:
        """Apply one more policy.

        Raises:
            PolicyError: The policy itself failed.
        """
        exempt = next((one for one in exemptions if one.covers(rule, self.finished.deployment)), None)
        if rule.level == "fix":
            return self if exempt is not None else self._fixed_by(rule)
        found = rule.violations(self.finished)
        if found and exempt is not None:
            return replace(self, exemptions=(*self.exemptions, exempt))
        asked_for = replace(rule, is_enforced=False)
        if any(one.covers(asked_for, self.finished.deployment) for one in exemptions):
            found = tuple(replace(one, hint=" ".join(filter(None, (one.hint, _NOT_LIFTED)))) for one in found)
        return replace(self, violations=(*self.violations, *found))

    def _fixed_by(self, rule: Rule) -> Verdict:
        before, after = self.finished.deployment, rule.fixed(self.finished)
        if after is before:
            return self
        fix = Fix(rule.name, tuple(_changed(before, after)))
        return replace(self, finished=replace(self.finished, deployment=after), fixes=(*self.fixes, fix))


def in_order(rules: Iterable[Rule]) -> list[Rule]:
    """Sort policies that change deployments first, since the others check what is deployed."""
    return sorted(rules, key=lambda one: one.level != "fix")


def check(finished: FinishedDeployment, rules: Iterable[Rule], exemptions: Sequence[Exemption] = ()) -> Verdict:
    """Check a finished deployment against policies.

    Args:
        finished: The deployment.
        rules: The policies in force.
        exemptions: The exemptions to apply; the caller has removed expired ones.

    Raises:
        PolicyError: A policy itself failed.
    """
    verdict = Verdict(finished)
    for rule in in_order(rules):
        verdict = verdict.with_rule(rule, exemptions)
    return verdict


def _changed(before: Deployment, after: Deployment) -> Iterator[str]:
    """Yield the changed fields of a deployment; for a mapping, its changed keys."""
    for name in type(before).model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        if is_mapping(old) and is_mapping(new):
            keys = dict.fromkeys((*old, *new))
            yield from (f"{name}.{key}" for key in keys if key not in old or key not in new or old[key] != new[key])
        else:
            yield name
