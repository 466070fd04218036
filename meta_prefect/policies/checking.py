"""Holding a finished deployment against policies: a pure function, the same in a deploy and in a test."""

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
    """Somebody's leave not to follow a policy for a while.

    Attributes:
        policy: The policy's name.
        until: The last day on which it counts, in UTC.
        because: Why.
        deployments: Names of flows or ``flow/deployment``, or patterns of them; none means all.
        where: Where it stands.
        is_enforced: Whether it counts for what holds whatever the project says.
    """

    policy: str
    until: date
    because: str
    deployments: tuple[str, ...] = ()
    where: str = ""
    is_enforced: bool = False

    def covers(self, rule: Rule, deployment: Deployment) -> bool:
        """Whether a deployment need not follow a rule."""
        if rule.name != self.policy or (rule.is_enforced and not self.is_enforced):
            return False
        names = (deployment.full_name, deployment.flow.name)
        return not self.deployments or any(fnmatchcase(name, one) for name in names for one in self.deployments)

    def __str__(self) -> str:
        return f"exempt from policy {self.policy} until {self.until}, because {self.because}"


@dataclass(frozen=True, slots=True)
class Fix:
    """What a policy has changed of a deployment.

    Attributes:
        policy: Its name.
        fields: The places in the deployment, keys joined by dots.
    """

    policy: str
    fields: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.fields)} set by policy {self.policy}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What policies make of a deployment.

    Attributes:
        finished: The deployment, with what they have changed.
        violations: What it does against them.
        exemptions: The exemptions without which there would be more violations.
        fixes: What they have changed.
    """

    finished: FinishedDeployment
    violations: tuple[Violation, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    fixes: tuple[Fix, ...] = ()

    @property
    def denied(self) -> tuple[Violation, ...]:
        """Why it is not deployed."""
        return tuple(one for one in self.violations if one.level == "deny")

    @property
    def remarks(self) -> Iterator[str]:
        """What else to know: warnings, exemptions, and what was changed."""
        yield from map(str, (*self.fixes, *self.exemptions))
        yield from (f"{one} ({one.hint})" if one.hint else str(one) for one in self.violations if one.level == "warn")

    def with_rule(self, rule: Rule, exemptions: Iterable[Exemption] = ()) -> Verdict:
        """The same once one more policy has had its say.

        Raises:
            PolicyError: The policy does not work.
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
    """Those first that change deployments: the others look at what is deployed."""
    return sorted(rules, key=lambda one: one.level != "fix")


def check(finished: FinishedDeployment, rules: Iterable[Rule], exemptions: Sequence[Exemption] = ()) -> Verdict:
    """Hold a finished deployment against policies.

    Args:
        finished: The deployment.
        rules: The policies in force.
        exemptions: Those that count; whoever gives them has refused what is over.

    Raises:
        PolicyError: A policy does not work.
    """
    verdict = Verdict(finished)
    for rule in in_order(rules):
        verdict = verdict.with_rule(rule, exemptions)
    return verdict


def _changed(before: Deployment, after: Deployment) -> Iterator[str]:
    """The places at which a deployment has changed; of a mapping, its keys."""
    for name in type(before).model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        if is_mapping(old) and is_mapping(new):
            keys = dict.fromkeys((*old, *new))
            yield from (f"{name}.{key}" for key in keys if key not in old or key not in new or old[key] != new[key])
        else:
            yield name
