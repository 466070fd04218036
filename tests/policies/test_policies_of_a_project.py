"""What a project file says of policies: what is wrong with it is told with its line, before anything is asked."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from meta_prefect.cli import main
from meta_prefect.deploy import validate
from meta_prefect.engine.context import clock
from meta_prefect.engine.policies import policies_in_force
from meta_prefect.errors import ValidationFailed
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.policies import FinishedDeployment, Policy, Violation, registry
from meta_prefect.policies.built_in import described, owner_named
from meta_prefect.project import Enforcement, read_project

Files = Callable[..., Path]
FLOW = """
    from prefect import flow

    @flow(name="UNIQUE")
    def work() -> None:
        '''Work.'''
"""
TEAM = """
    from meta_prefect.policies.built_in import described, names_match

    short = names_match.with_options(pattern=".{1,20}", level="warn")
"""
FILE = """
    project: UNIQUE
    SAID
    deployments: {UNIQUE: [{recipe: local_run_deployer, variables: {name: daily}}]}
"""


def few(finished: FinishedDeployment) -> Iterator[Violation]:
    """It has tags."""
    yield Violation("0 tags")


def many(finished: FinishedDeployment, most: int) -> Iterator[Violation]:
    """It has no more tags than these."""
    if most < 9:
        yield Violation("too many tags")


@pytest.fixture
def held_to(project: Files) -> Callable[[str], Path]:
    """A project whose second line says something of policies."""
    return lambda said: project(flow=FLOW, team=TEAM, empty="", **{"meta_prefect.yaml": FILE.replace("SAID", said)})


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ("policies: [owner_name]", "2:12: policies[0]: there is no policy 'owner_name'", "Did you mean 'owner_named'?"),
        (
            "policies: [{policy: names_match}]",
            "2:12: policies[0]: policy names_match: the option",
            "regular expression",
        ),
        (
            "policies: [{policy: names_match, pattern: '['}]",
            "2:34: policies[0].pattern: policy names_match: ",
            None,
        ),
        (
            "policies: [{policy: described, most: 1}]",
            "2:32: policies[0].most: policy described: ",
            "It has no options.",
        ),
        ("policies: [{policy: described, level: fix}]", "2:32: policies[0].level: ", None),
        ("policies: [{level: warn}]", "2:12: policies[0]: the key 'policy' is missing", None),
        ("policies: [team:shot]", "2:12: policies[0]: the module 'team' has no policy 'shot'", None),
        ("policies: [empty]", "2:12: policies[0]: the module 'empty' holds no policy", "Decorate a function"),
        ("policies: [{policy: team, level: warn}]", "2:12: policies[0]: 'team' holds policies", "`MODULE:NAME`"),
        (
            "exempt: [{policy: describd, until: 2999-01-01, because: x}]",
            "2:11: exempt[0].policy: there is no",
            "'described'",
        ),
        (
            "exempt: [{policy: described, until: 2020-01-01, because: x}]",
            "2:30: exempt[0].until: the exemption",
            "remove",
        ),
        ("exempt: [{policy: described, until: soon, because: x}]", "2:30: exempt[0].until: is no date", "'2027-01-31'"),
        ("exempt: [{policy: described, until: 2999-01-01}]", "2:10: exempt[0]: the key 'because' is missing", None),
        ("exempt: [{policy: described, untl: 2999-01-01}]", "2:30: exempt[0].untl: unknown key", "'until'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    held_to: Callable[[str], Path], said: str, message: str, hint: str | None
) -> None:
    """An unknown policy or option, a missing one, an exemption that is over: each with line, column, key and the mend."""
    with pytest.raises(ValidationFailed) as raised:
        validate([str(held_to(said))])

    assert any(f"meta_prefect.yaml:{message}" in str(one) for one in raised.value.errors), str(raised.value)
    assert hint is None or hint in str(raised.value)


def test_a_module_puts_into_force_what_it_means_to(
    held_to: Callable[[str], Path], unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own policies and its rules, not what it only imports; a warning is a remark."""
    root = held_to("policies: [team]")

    report = validate([str(root)])

    assert report.remarks == ()
    with pytest.raises(SystemExit) as ended:
        main(["policies", "--path", str(root), "--output", "json"])
    assert ended.value.code == 0
    listed = json.loads(capsys.readouterr().out)
    in_force = {one["name"]: one["in_force"] for one in listed if one["in_force"]}
    assert in_force == {
        "names_match": ['meta_prefect.yaml:2:12: policies[0] (pattern: ".{1,20}"; warn)'],
    }
    assert {"owner_named", "only_approved"} <= {one["name"] for one in listed}


def test_policies_of_an_installed_package_are_in_force_by_being_there(
    held_to: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy, a rule or a whole module, which no project has to name; what cannot be loaded stops the deploy."""
    acme = ModuleType("acme_policies")
    vars(acme).update(strict=described.with_options(), lenient=owner_named.with_options(level="warn"), text="")
    monkeypatch.setitem(sys.modules, "acme_policies", acme)
    points = [EntryPoint("acme", "acme_policies", registry.ENTRY_POINT_GROUP)]

    def entry_points(group: str) -> list[EntryPoint]:
        return points

    monkeypatch.setattr(registry, "entry_points", entry_points)
    root = held_to("exempt: []")

    assert [one.partition(":")[0] for one in validate([str(root)]).remarks] == ["policy owner_named"]
    vars(acme).update(few=Policy(few).with_options(level="warn"), many=Policy(many).with_options(most=9))
    with pytest.raises(ValidationFailed, match="policy few: 0 tags"):
        validate([str(held_to("policies: [{policy: few, level: deny}, many]"))])
    del vars(acme)["few"]

    points.append(EntryPoint("gone", "acme_policies:nothing", registry.ENTRY_POINT_GROUP))
    points.append(EntryPoint("text", "acme_policies:text", registry.ENTRY_POINT_GROUP))
    with pytest.raises(ValidationFailed, match=re.escape("package acme_policies: its policy 'gone' cannot be loaded")):
        validate([str(root)])


SHADOW = """
from meta_prefect import policy

@policy
def strict(finished):
    return []
"""


def test_what_a_deployer_enforces_is_installed_where_it_runs(
    held_to: Callable[[str], Path], unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that is not there lets nothing through; nor does a module of the project that takes an installed one's place."""
    root, module = held_to("exempt: []"), f"shadow_{unique}"
    (root / f"{module}.py").write_text(SHADOW)
    monkeypatch.syspath_prepend(root)  # pyright: ignore[reportUnknownMemberType]
    points = [EntryPoint("acme", module, registry.ENTRY_POINT_GROUP)]

    def entry_points(group: str) -> list[EntryPoint]:
        return points

    monkeypatch.setattr(registry, "entry_points", entry_points)
    project = read_project(root)
    flows = ProjectFlows(project.root, from_source=True)
    told: dict[str, str] = {}
    for name in ("strict", module):
        enforced = Enforcement.model_validate({"policies": [name]})
        told[name] = str(policies_in_force(project, flows, enforced, clock())[1][0])

    assert f"{module!r} is a module of the project itself" in told["strict"]
    assert f"{module!r} is a module of the project itself" in told[module]
    points.clear()
    enforced = Enforcement.model_validate({"policies": ["acme-recipes"]})
    (missing,) = policies_in_force(project, flows, enforced, clock())[1]
    assert "'acme-recipes' is not installed for" in str(missing)
    assert "in which it runs" in (missing.hint or "")


def test_a_policy_is_explained(held_to: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    """What it asks for, its options, who has put it into force; of one that is off, how to."""
    root = held_to("policies: [{policy: schedules_apart, at_least: 30m, environments: [prod]}]")

    for name in ("schedules_apart", "names_match"):
        with pytest.raises(SystemExit):
            main(["policies", name, "--path", str(root)])

    told = capsys.readouterr().out
    assert 'at_least: default "15m"' in told
    assert 'meta_prefect.yaml:2:12: policies[0] (at_least: "30m"; in prod)' in told
    assert "- {policy: names_match, pattern: …}" in told
