"""Policies in a deploy: determines which are in force, and runs each as a task over all planned deployments."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from prefect import State, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.states import Failed

from meta_prefect.engine.resolve import Draft
from meta_prefect.errors import ConfigurationError, PolicyError, nearest
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.interfaces.api import Host
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.outcomes import counted
from meta_prefect.policies import Exemption, FinishedDeployment, Rule, Verdict
from meta_prefect.policies.registry import installed_rules, known_policies, rules_of
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.project import Enforcement, ExemptionModel, Project

DEPLOYER = "the deployer"
"""The origin of policies enforced whatever the project says."""

_INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True, eq=False)
class PoliciesInForce:
    """The policies that a deploy applies.

    Args:
        rules: The policies with their options.
        exemptions: The exemptions from them.
        within: The context in which the project's own policies must run.
    """

    rules: Sequence[Rule] = ()
    exemptions: Sequence[Exemption] = ()
    within: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def fixing(self) -> PoliciesInForce:
        """Only the policies that change deployments, whose result is part of the desired state in any case."""
        return PoliciesInForce([one for one in self.rules if one.level == "fix"], self.exemptions, self.within)


def policies_in_force(
    project: Project, flows: ProjectFlows, enforced: Enforcement | None, now: datetime
) -> tuple[PoliciesInForce, list[ConfigurationError]]:
    """Find the policies in force for a project: from installed packages, its own file and the deployer.

    Args:
        project: The project.
        flows: Its flows, whose modules contain its own policies.
        enforced: The policies in the deployer's deployment, which the project cannot change.
        now: The time of the deploy.

    Returns:
        The policies, and errors in how they were requested.
    """
    enforced, today = enforced or Enforcement(), now.astimezone(UTC).date()
    modules = flows.of(project.root).modules
    load = _from_elsewhere(project.root)
    by_deployer = [
        replace(one, is_enforced=True) if isinstance(one, Rule) else one
        for one in rules_of(enforced.policies, load, lambda *_: DEPLOYER)
    ]
    found: list[Rule | ConfigurationError] = []
    try:
        found.extend(installed_rules())
    except PolicyError as error:
        found.append(error)
    with modules.imported():
        locate: Callable[..., str] = lambda *keys: project.locate("policies", *keys)  # noqa: E731 - two words
        found.extend(rules_of(project.policies, modules.load_module, locate))
    found.extend(by_deployer)  # replaces the same policies from elsewhere, which may have exemptions
    rules = list({_key(one): one for one in found if isinstance(one, Rule)}.values())
    errors = [one for one in found if not isinstance(one, Rule)]
    exemptions: list[Exemption] = []
    for one in (
        *_exemptions(enforced.exempt, rules, today, lambda *_: DEPLOYER, is_enforced=True),
        *_exemptions(project.exempt, rules, today, lambda *keys: project.locate("exempt", *keys), is_enforced=False),
    ):
        (exemptions if isinstance(one, Exemption) else errors).append(one)  # pyright: ignore[reportArgumentType]
    return PoliciesInForce(rules, exemptions, modules.imported), errors


def _key(rule: Rule) -> tuple[object, ...]:
    """Return what identifies a rule, whatever its origin."""
    return (rule.policy.origin, repr(sorted(rule.options.items())), rule.level, rule.environments)


def _from_elsewhere(root: Path) -> Callable[[str], ModuleType]:
    """Return an import function that rejects the project's own modules: enforced policies are not the project's to define."""

    def load(name: str) -> ModuleType:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            hint = "Install what the deployer enforces in the environment in which it runs."
            raise PolicyError(f"{name!r} is not installed for {sys.executable}: {error}", hint=hint) from None
        file = Path(module.__file__ or "").resolve()
        if file.is_relative_to(root) and _INSTALLED.isdisjoint(file.parts):
            hint = "Install the package that holds it where the deployer runs, and name its modules otherwise than the project's."
            raise PolicyError(
                f"{name!r} is a module of the project itself, which cannot hold what it is held to", hint=hint
            )
        return module

    return load


def _exemptions(
    said: Sequence[ExemptionModel], rules: Sequence[Rule], today: date, locate: Callable[..., str], *, is_enforced: bool
) -> Iterator[Exemption | PolicyError]:
    known = known_policies(rules)
    for index, one in enumerate(said):
        if one.policy not in known:
            where, hint = locate(index, "policy"), nearest(one.policy, known)
            yield PolicyError(f"there is no policy {one.policy!r}", where=where, hint=hint)
        elif one.until < today:
            hint = "Do what the policy asks for and remove the exemption; or agree on another date."
            message = f"the exemption from policy {one.policy} is over since {one.until}"
            yield PolicyError(message, where=locate(index, "until"), hint=hint)
        else:
            where = locate(index)
            yield Exemption(one.policy, one.until, one.because, one.deployments, where, is_enforced)


@dataclass(frozen=True, eq=False)
class PolicyStep:
    """One policy, checked against every deployment of a batch.

    Args:
        rule: The policy.
        policy_check: The check it is part of.
    """

    rule: Rule
    policy_check: PolicyCheck

    def __str__(self) -> str:
        return f"policy {self.rule}"

    def run(self) -> tuple[int, list[str]]:
        """Check the policy; return how many deployments it denies, and its messages."""
        return self.policy_check.ask(self.rule)


class PolicyCheck:
    """Checks a batch of deployments against policies: first those that change deployments, the others at the end.

    Args:
        in_force: The policies.
        drafts: The valid deployments.
        live: The live deployments, by name.
        host: This host, needed to re-check what a policy changed.
    """

    def __init__(
        self, in_force: PoliciesInForce, drafts: Sequence[Draft], live: Mapping[str, LiveDeployment], host: Host
    ) -> None:
        self._in_force = in_force
        self._host = host
        self._verdicts: list[tuple[Draft, Verdict]] = []
        for draft in drafts if in_force.rules else ():
            found = live.get(draft.deployment.full_name)
            finished = FinishedDeployment(
                deployment=draft.as_built(),
                recipe=draft.recipe,
                variables=draft.variables(),
                components=draft.components,
                live=found.record if found is not None else None,
            )
            self._verdicts.append((draft, Verdict(finished)))

    async def fix(self) -> None:
        """Apply the policies that change deployments."""
        await self._run(self._in_force.fixing.rules)
        for draft, verdict in self._verdicts:
            if verdict.fixes and not draft.errors:
                draft.fixed_by_policy(verdict.finished.deployment, self._host)

    async def check(self) -> None:
        """Check the other policies against the final deployments; denials become errors of their deployments."""
        self._verdicts = [
            (draft, replace(verdict, finished=replace(verdict.finished, deployment=draft.deployment)))
            for draft, verdict in self._verdicts
        ]
        await self._run([one for one in self._in_force.rules if one.level != "fix"])
        for draft, verdict in self._verdicts:
            draft.remarks = tuple(dict.fromkeys((*draft.remarks, *verdict.remarks)))
            for one in verdict.denied:
                draft.refuse(one.as_error(draft.deployment))

    def ask(self, rule: Rule) -> tuple[int, list[str]]:
        """Check one policy against all deployments."""
        messages: list[str] = []
        denied = 0
        for index, (draft, verdict) in enumerate(self._verdicts):
            try:
                with self._in_force.within():
                    after = verdict.with_rule(rule, self._in_force.exemptions)
            except PolicyError as error:
                draft.refuse(error)
                messages.append(f"{verdict.finished.name}: {error.message}")
                denied += 1
                continue
            self._verdicts[index] = (draft, after)
            news = after.violations[len(verdict.violations) :]
            denied += any(one.level == "deny" for one in news)
            said = (*news, *after.exemptions[len(verdict.exemptions) :], *after.fixes[len(verdict.fixes) :])
            messages.extend(f"{verdict.finished.name}: {one}" for one in said)
        return denied, messages

    async def _run(self, rules: Sequence[Rule]) -> None:
        if not self._verdicts:
            return
        for rule in rules:
            step = PolicyStep(rule, self)
            if flow_run.get_id() is None:
                step.run()
            else:
                # As a state: what it denies is recorded on the drafts, and the other policies go on.
                state: Any = run_policy(whole(step), return_state=True)  # Prefect's types ignore that it is a coroutine
                await state


@task(name="policy", task_run_name="{step}", cache_policy=NO_CACHE)
async def run_policy(step: PolicyStep) -> State[None] | None:
    """Check a policy against every deployment of the batch; the task fails if it denies one."""
    denied, messages = step.run()
    logger = get_run_logger()
    for line in messages:
        logger.warning("%s", line)
    if not messages:
        logger.info("%s: nothing to say", step)
    return Failed(message=f"it denies {counted(denied, 'deployment')}: {messages[0]}") if denied else None
