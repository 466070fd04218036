"""Optional policies: none is in force until it is named. Each also serves as an example."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Annotated, Any, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from meta_prefect.hidden_values import secrets_in
from meta_prefect.implementations.infra.images import is_pinned
from meta_prefect.interfaces.times import Length, length_in_words
from meta_prefect.plan.references import texts_in
from meta_prefect.policies.policy import Policy, policy
from meta_prefect.policies.values import FinishedDeployment, Violation

_RUNS: Final = 60
"""How many upcoming runs of a schedule to examine for the time between them."""


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        about = {"why": str(error), "hint": "Write a regular expression, such as '[a-z-]+'."}
        raise PydanticCustomError("pattern", "is no pattern: {why}", about) from None
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]
Names = tuple[str, ...] | None


@policy
def owner_named(finished: FinishedDeployment) -> Iterator[Violation]:
    """Every deployment says who answers for it."""
    if not any(tag.startswith("owner=") for tag in finished.deployment.tags):
        yield Violation(
            "nobody is named who answers for it", "tags", "Write `owner: TEAM` at the top of the project file."
        )


@policy
def described(finished: FinishedDeployment) -> Iterator[Violation]:
    """Every deployment says what it is for."""
    if not (finished.deployment.description or "").strip():
        yield Violation("it has no description", "description", "Give the flow a docstring, or set `description`.")


@policy
def names_match(finished: FinishedDeployment, pattern: Pattern) -> Iterator[Violation]:
    """Names of deployments have one form.

    Args:
        pattern: A regular expression that the whole name matches.
    """
    if not re.fullmatch(pattern, finished.deployment.name):
        yield Violation(f"the name {finished.deployment.name!r} does not match {pattern!r}", "name", "Rename it.")


@policy
def images_pinned(finished: FinishedDeployment, *, digest: bool = False) -> Iterator[Violation]:
    """Every image says which version of it runs.

    Args:
        digest: Whether a tag is not enough, as it may be moved.
    """
    for keys, reference in texts_in(finished.deployment.job_variables):
        is_image = keys[-1:] == ("image",) and "env" not in keys
        if is_image and not (is_pinned(reference) and ("@sha256:" in reference or "{{" in reference or not digest)):
            place = ".".join(map(str, ("job_variables", *keys)))
            hint = "Give it a digest: 'NAME@sha256:…'." if digest else "Give it a tag other than `latest`, or a digest."
            yield Violation(f"the image {reference!r} may be another one tomorrow", place, hint)


@policy
def time_zones_named(finished: FinishedDeployment) -> Iterator[Violation]:
    """Every schedule names its time zone."""
    named = any("timezone" in keys for keys, _ in texts_in(dict(finished.variables)))
    for one in finished.schedules:
        if one.timezone == "UTC" and not named:
            hint = "Write `timezone: Europe/Berlin`, or `timezone: UTC` where that is meant."
            yield Violation(f"the schedule {one.slug!r} names no time zone", f"schedules.{one.slug}.timezone", hint)


@policy
def schedules_apart(finished: FinishedDeployment, at_least: Length = timedelta(minutes=15)) -> Iterator[Violation]:
    """No schedule runs more often than is good.

    Args:
        at_least: The shortest time between two runs, such as `15m`.
    """
    from meta_prefect.schedules.preview import preview  # calendars are slow to import, and most deploys need none

    for one in finished.schedules:
        fires = preview(one, now=finished.deployment.context.now, count=_RUNS).fires
        closest = min((later - earlier for earlier, later in pairwise(fires)), default=at_least)
        if closest < at_least:
            often = f"the schedule {one.slug!r} runs {length_in_words(closest)} after itself"
            hint = f"Let at least {length_in_words(at_least)} lie between two runs."
            yield Violation(often, f"schedules.{one.slug}", hint)


@policy
def concurrency_limited(finished: FinishedDeployment, most: int | None = None) -> Iterator[Violation]:
    """Every deployment says how many of its runs happen at a time.

    Args:
        most: The highest limit that is allowed.
    """
    limit = finished.deployment.concurrency_limit or 0
    if limit == 0:
        hint = "Set `unique: true`, or `concurrency_limit`."
        yield Violation("any number of its runs happens at a time", "concurrency_limit", hint)
    elif most is not None and limit > most:
        yield Violation(f"{limit} of its runs happen at a time", "concurrency_limit", f"Allowed are {most}.")


@policy
def scheduled_runs_complete(finished: FinishedDeployment) -> Iterator[Violation]:
    """No schedule starts runs that lack a parameter."""
    for one in finished.schedules:
        if lacking := [name for name in finished.deployment.open_parameters if name not in one.parameters]:
            hint = "Set them in `parameters`, or give the flow's own parameters defaults."
            message = f"runs of the schedule {one.slug!r} have no value for {', '.join(lacking)}"
            yield Violation(message, f"schedules.{one.slug}.parameters", hint)


@policy
def job_variables_allowed(finished: FinishedDeployment, names: tuple[str, ...]) -> Iterator[Violation]:
    """Deployments set only job variables that are agreed upon.

    Args:
        names: Their names, or patterns of them: `env`, `cpu*`.
    """
    for name in finished.deployment.job_variables:
        if name != "meta_env" and not _is_one_of(name, names):
            hint = f"Allowed: {', '.join(names)}."
            yield Violation(f"the job variable {name!r} is not for deployments to set", f"job_variables.{name}", hint)


@policy
def no_secrets_written(finished: FinishedDeployment) -> Iterator[Violation]:
    """No secret stands in parameters, job variables or environment variables, for all to read."""
    deployment = finished.deployment
    written: Mapping[str, Any] = {
        "parameters": deployment.parameters,
        "job_variables": deployment.job_variables,
        **{f"schedules.{one.slug}.parameters": one.parameters for one in finished.schedules},
    }
    for where, values in written.items():
        for place in secrets_in(values):
            hint = "Write a reference, such as '{{ prefect.blocks.secret.NAME }}'."
            yield Violation(f"{where}.{place} looks like a secret", f"{where}.{place}", hint)


@policy
def only_approved(
    finished: FinishedDeployment, recipes: Names = None, work_pools: Names = None, deployed_to: Names = None
) -> Iterator[Violation]:
    """Deployments are made by approved recipes, run in approved work pools, and are in approved environments.

    Args:
        recipes: The names of recipes, or patterns of them; left out, any will do.
        work_pools: The same of work pools.
        deployed_to: The same of environments.
    """
    pool = finished.deployment.work_pool_name or ""
    for what, name, known, field in (
        ("recipe", finished.recipe, recipes, ""),
        ("work pool", pool, work_pools, "work_pool_name"),
        ("environment", finished.environment, deployed_to, "environment"),
    ):
        if known is not None and not _is_one_of(name, known):
            yield Violation(f"the {what} {name!r} is not approved", field, f"Approved: {', '.join(known) or 'none'}.")


def _is_one_of(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, one) for one in patterns)


BUILT_IN: Final[Mapping[str, Policy]] = {
    one.name: one
    for one in (
        owner_named,
        described,
        names_match,
        images_pinned,
        time_zones_named,
        schedules_apart,
        concurrency_limited,
        scheduled_runs_complete,
        job_variables_allowed,
        no_secrets_written,
        only_approved,
    )
}
"""All of them, by name."""
