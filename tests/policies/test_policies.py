"""Policies as pure functions over finished deployments: the built-in ones, one's own, and what becomes of what they find."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from values import a_deployment, a_flow

from meta_prefect import policy
from meta_prefect.errors import PolicyError
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.schedules import Schedule
from meta_prefect.policies import Exemption, FinishedDeployment, Policy, Violation, check
from meta_prefect.policies.built_in import BUILT_IN


def finished(recipe: str = "", variables: dict[str, Any] | None = None, **changes: Any) -> FinishedDeployment:
    """``add/nightly-dev`` as its builders have made it."""
    return FinishedDeployment(deployment=a_deployment(**changes), recipe=recipe, variables=variables or {})


OFTEN = {"schedules": [Schedule(slug="often", cron="*/5 * * * *", timezone="US/Pacific")]}
DAILY = {"schedules": [Schedule(slug="daily", rrule="FREQ=DAILY;BYHOUR=9")]}
FILLED = {"schedules": [Schedule(slug="daily", rrule="FREQ=DAILY", parameters={"x": 1, "y": 2})]}
PINNED = f"shop@sha256:{'0' * 64}"
TASK = {"containerDefinitions": [{"image": "shop"}]}

REFERENCE = {"env": {"DB_PASSWORD": "{{ prefect.blocks.secret.db }}"}}
WEEKLY = {"schedules": [Schedule(slug="weekly", interval=timedelta(days=7))]}


def jobs(**values: Any) -> dict[str, Any]:
    """Job variables."""
    return {"job_variables": values}


# the policy, its options, what violates it, the place of that, and what does not
CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, dict[str, Any]]] = [
    ("owner_named", {}, {"tags": ["team=etl"]}, "tags", {"tags": ["owner=etl"]}),
    ("described", {}, {"description": " "}, "description", {"description": "Loads orders."}),
    ("names_match", {"pattern": "[a-z]+-dev"}, {"name": "Nightly_dev"}, "name", {"name": "nightly-dev"}),
    ("images_pinned", {}, jobs(image="shop:latest"), "job_variables.image", jobs(image="shop:1")),
    ("images_pinned", {}, jobs(image="shop"), "job_variables.image", jobs(env={"image": "shop"})),
    ("images_pinned", {}, jobs(task=TASK), "job_variables.task.containerDefinitions.0.image", {}),
    ("images_pinned", {"digest": True}, jobs(image="shop:1"), "job_variables.image", jobs(image=PINNED)),
    ("time_zones_named", {}, DAILY, "schedules.daily.timezone", OFTEN),
    ("time_zones_named", {}, DAILY, "schedules.daily.timezone", {**DAILY, "variables": {"timezone": "UTC"}}),
    ("schedules_apart", {}, OFTEN, "schedules.often", DAILY),
    ("schedules_apart", {"at_least": "2d"}, DAILY, "schedules.daily", WEEKLY),
    ("concurrency_limited", {}, {"concurrency_limit": 0}, "concurrency_limit", {"concurrency_limit": 9}),
    ("concurrency_limited", {"most": 2}, {"concurrency_limit": 3}, "concurrency_limit", {"concurrency_limit": 2}),
    ("scheduled_runs_complete", {}, DAILY, "schedules.daily.parameters", FILLED),
    ("scheduled_runs_complete", {}, DAILY, "schedules.daily.parameters", {**DAILY, "parameters": {"x": 1, "y": 2}}),
    ("job_variables_allowed", {"names": ["env", "cpu*"]}, jobs(a=1), "job_variables.a", jobs(cpu_limit=1, env={})),
    ("no_secrets_written", {}, {"parameters": {"api_key": "k1"}}, "parameters.api_key", {"parameters": {"x": 1}}),
    ("no_secrets_written", {}, jobs(env={"PASSWORD": "hush"}), "job_variables.env.PASSWORD", jobs(**REFERENCE)),
    ("only_approved", {"recipes": ["acme_*"]}, {"recipe": "local_run_deployer"}, "", {"recipe": "acme_etl"}),
    ("only_approved", {"work_pools": ["etl"]}, {}, "work_pool_name", {"work_pool_name": "etl"}),
    ("only_approved", {"deployed_to": ["prod"]}, {}, "environment", {"environment": "prod"}),
]


@pytest.mark.parametrize(("name", "options", "bad", "place", "good"), CASES)
def test_a_built_in_policy_tells_the_bad_from_the_good(
    name: str, options: dict[str, Any], bad: dict[str, Any], place: str, good: dict[str, Any]
) -> None:
    """Each finds one violation at its place, with a way out and no secret in it, and none in what is as it should be."""
    rule = BUILT_IN[name].with_options(**options)

    (found,) = rule.violations(finished(**bad))

    assert (found.policy, found.level, found.field) == (name, "deny", place)
    assert found.hint
    assert "hush" not in str(found) + str(found.as_error(a_deployment(**{k: bad[k] for k in bad if k != "recipe"})))
    assert rule.violations(finished(**good)) == ()


def test_the_table_has_every_built_in_policy() -> None:
    """A policy that joins them is tried here, and says what it is for."""
    assert {name for name, *_ in CASES} == set(BUILT_IN)
    assert all(one.summary for one in BUILT_IN.values())


@policy
def few_tags(finished: FinishedDeployment, most: int = 2) -> Iterator[Violation]:
    """Nobody can find anything among many tags."""
    if len(finished.deployment.tags) > most:
        yield Violation(f"it has {len(finished.deployment.tags)} tags", "tags")


@policy(level="fix")
def team_tag(finished: FinishedDeployment, team: str = "etl") -> Deployment:
    """Every deployment has the tag of its team."""
    finished.deployment.tags.append(f"team={team}")
    finished.deployment.job_variables["cpu"] = 1
    return finished.deployment


def test_what_a_policy_changes_is_what_the_others_look_at() -> None:
    """Policies that change deployments come first, whatever their order; what they set is told, and the original stays."""
    before = finished()

    verdict = check(before, [few_tags.with_options(), team_tag.with_options()])

    assert verdict.finished.deployment.tags == [*before.deployment.tags, "team=etl"]
    assert [str(one) for one in verdict.denied] == ["policy few_tags: it has 3 tags"]
    assert verdict.denied[0].hint == "Nobody can find anything among many tags."
    assert list(verdict.remarks) == ["tags, job_variables.cpu set by policy team_tag"]
    assert "team=etl" not in before.deployment.tags


def test_a_policy_may_warn_only_and_count_in_some_environments() -> None:
    """A warning denies nothing; elsewhere the policy says nothing."""
    rule = few_tags.with_options(level="warn", environments=["prod", "pr-*"], most=1)

    verdict = check(finished(environment="pr-7"), [rule])

    assert verdict.denied == ()
    assert list(verdict.remarks) == ["policy few_tags: it has 2 tags (Nobody can find anything among many tags.)"]
    assert check(finished(environment="dev"), [rule]).violations == ()


@pytest.mark.parametrize(
    ("policy_name", "deployments", "enforced", "counts"),
    [
        ("few_tags", (), (False, False), True),
        ("few_tags", ("add",), (False, False), True),
        ("few_tags", ("*/nightly-*",), (False, False), True),
        ("few_tags", ("add/weekly-dev",), (False, False), False),
        ("described", (), (False, False), False),
        ("few_tags", (), (True, False), False),
        ("few_tags", (), (True, True), True),
    ],
)
def test_an_exemption_counts_for_what_it_names(
    policy_name: str, deployments: tuple[str, ...], enforced: tuple[bool, bool], counts: bool
) -> None:
    """By policy and by deployment; what a deployer enforces only its own exemptions lift. It is told with its reason."""
    rule = dataclasses.replace(few_tags.with_options(most=0), is_enforced=enforced[0])
    exempt = Exemption(policy_name, date(2027, 1, 31), "of the move", deployments, is_enforced=enforced[1])

    verdict = check(finished(), [rule], [exempt])

    assert bool(verdict.denied) is not counts
    assert any("does not lift" in (one.hint or "") for one in verdict.denied) is (enforced == (True, False))
    told = ["exempt from policy few_tags until 2027-01-31, because of the move"] if counts else []
    assert list(verdict.remarks) == told
    fixing = check(finished(), [team_tag.with_options()], [Exemption("team_tag", date(2027, 1, 31), "it", deployments)])
    assert bool(fixing.fixes) is (deployments == ("add/weekly-dev",))


def nothing(finished: FinishedDeployment) -> None: ...
def text(finished: FinishedDeployment) -> list[str]:
    return ["it is bad"]


def raising(finished: FinishedDeployment) -> Iterator[Violation]:
    raise KeyError("cpu")
    yield


def other_name(finished: FinishedDeployment) -> Deployment:
    return finished.deployment.model_copy(update={"name": "another"})


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Policy(nothing), "returned None"),
        (Policy(text), "gave 'it is bad', which is no Violation"),
        (Policy(raising), "raised KeyError: 'cpu'"),
        (Policy(nothing, level="fix"), "returned None, which is no deployment"),
        (Policy(other_name, level="fix"), "changed the deployment's name"),
    ],
)
def test_a_policy_that_does_not_work_lets_nothing_through(broken: Policy, message: str) -> None:
    """What it did is said with its name and its place, and nothing counts as passed."""
    with pytest.raises(PolicyError, match=message) as raised:
        check(finished(), [broken.with_options()])

    assert broken.origin in str(raised.value)


def no_parameter() -> Iterable[Violation]:
    return ()


def untyped(finished: FinishedDeployment, most: int) -> Iterable[Violation]:
    return ()


del untyped.__annotations__["most"]


def taken(finished: FinishedDeployment, level: str) -> Iterable[Violation]:
    return ()


UNFIT: list[tuple[Any, str]] = [
    (no_parameter, "takes nothing"),
    (untyped, "'most' has no type annotation"),
    (taken, "'level' is taken"),
]


@pytest.mark.parametrize(("function", "message"), UNFIT)
def test_a_function_that_cannot_be_a_policy_is_refused(function: Any, message: str) -> None:
    """Where it is decorated, with the parameter."""
    with pytest.raises(PolicyError, match=message):
        policy(function)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"mots": 1}, "mots", "Did you mean 'most'?"),
        ({"most": "many"}, "most", None),
        ({"level": "fix"}, "policy few_tags: its level is 'deny', and cannot be 'fix'", None),
    ],
)
def test_options_are_checked_where_it_is_put_into_force(
    options: dict[str, Any], message: str, hint: str | None
) -> None:
    """An unknown option is told with the nearest one, a wrong value as such."""
    with pytest.raises(PolicyError, match=message) as raised:
        few_tags.with_options(**options)

    assert hint is None or raised.value.hint == hint


def test_a_policy_sees_what_the_server_has_and_the_facts_of_the_flow() -> None:
    """Its argument has the flow, the environment, the recipe, the variables and the live record."""

    @policy
    def cannot_lose_a_schedule(finished: FinishedDeployment) -> Iterator[Violation]:
        """What runs by itself goes on doing that."""
        if finished.live and finished.live["schedules"] and not finished.schedules:
            yield Violation(f"{finished.flow.name} in {finished.environment} would stop: {finished.variables['name']}")

    was = FinishedDeployment(
        deployment=a_deployment(flow=a_flow()), variables={"name": "nightly"}, live={"schedules": {"daily": {}}}
    )

    (found,) = check(was, [cannot_lose_a_schedule.with_options()]).denied
    assert found.message == "add in dev would stop: nightly"
