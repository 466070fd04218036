"""Flows and entries as people write them: what cannot be deployed is refused with what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meta_prefect.deploy import validate
from meta_prefect.errors import ValidationFailed

ENTRY = "deployments: {UNIQUE: [{recipe: local_run_deployer, variables: {name: x}}]}\n"
MODULE = """
    import functools
    from prefect import flow

    def plain(function):
        def inner(*args, **kwargs):
            return function(*args, **kwargs)
        return inner

    def wrapping(function):
        return functools.wraps(function)(plain(function))

    FLOW
"""

MODULES = {
    "a decorator without functools.wraps": (
        "@flow\n    @plain\n    def UNIQUE(): ...",
        "is named 'inner' once it is imported, not 'UNIQUE': a decorator below `@flow` replaces the function",
        "functools.wraps(function)",
    ),
    "a decorator above": ("@plain\n    @flow\n    def UNIQUE(): ...", "is a function, not a flow", "put `@flow` first"),
    "a wrapping one above": (
        "@wrapping\n    @flow\n    def UNIQUE(): ...",
        "is a function, not a flow",
        "put `@flow` first",
    ),
    "prose": (
        "@flow\n    def UNIQUE(count: 'how many of them'): ...",
        "an annotation is no type: 'how many of them'",
        'Annotated[int, Field(description="…")]',
    ),
    "a name with #": ("@flow(name='UNIQUE#')\n    def job(): ...", "the flow's name 'UNIQUE#' holds #", ""),
    "a name with ?": ("@flow(name='UNIQUE?')\n    def job(): ...", "the flow's name 'UNIQUE?' holds ?", ""),
}


def refusal(root: Path) -> str:
    """Why a project cannot be deployed."""
    with pytest.raises(ValidationFailed) as failed:
        validate([str(root)])
    return str(failed.value)


@pytest.mark.parametrize(("flow", "told", "hint"), MODULES.values(), ids=MODULES.keys())
def test_a_flow_that_nobody_would_find_or_run_is_refused(
    project: Callable[..., Path], unique: str, flow: str, told: str, hint: str
) -> None:
    """The message says what stands in the way, and the hint what to write."""
    name = flow.partition("name='")[2].partition("'")[0] or "UNIQUE"
    file = ENTRY.replace("UNIQUE", f'"{name}"')
    said = refusal(project(flow=MODULE.replace("FLOW", flow), **{"meta_prefect.yaml": file}))
    assert told.replace("UNIQUE", unique) in said
    assert hint in said


VALUES = {
    "a number for a name": ("variables: {name: 2024}", 'Put it in quotes: "2024".'),
    "a number for a version": ("variables: {name: x, version: 1.0}", 'Put it in quotes: "1.0".'),
    "a truth value for a tag": ("variables: {name: x, tags: [yes]}", 'Put it in quotes: "true".'),
    "nothing": ("variables: {name: ' ', name_pattern: '{name}'}", "' ' is no name that Prefect finds again"),
    "a folder": ("variables: {name: '..', name_pattern: '{name}'}", "'..' is no name that Prefect finds again"),
    "a sign of addresses": ("variables: {name: 'a#b'}", "'a#b' holds #"),
    "another one": ("variables: {name: 'a?b'}", "'a?b' holds ?"),
    "two lines": (r'variables: {name: "a\nb"}', "holds control characters"),
    "a work pool beside the recipe": (
        "work_pool: {name: big}",
        "What the recipe is to know stands below `variables:`; write `work_pool:` there.",
    ),
    "a schedule beside the recipe": ("schedule: {cron: 0 0 * * *}", "write `schedule:` there."),
}


@pytest.mark.parametrize(("said", "hint"), VALUES.values(), ids=VALUES.keys())
def test_an_entry_gets_a_hint_that_leads_on(project: Callable[..., Path], said: str, hint: str) -> None:
    """What YAML reads as a number, what Prefect would not find again, and what people know from a prefect.yaml."""
    flow = "from prefect import flow\n\n@flow\ndef UNIQUE(): ...\n"
    file = f"deployments:\n  UNIQUE:\n    - recipe: local_run_deployer\n      {said}\n"
    assert hint in refusal(project(flow=flow, **{"meta_prefect.yaml": file}))


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("name: shop\n", "Write `project:` for the project's name."),
        ("pull: []\n", "That is a key of `prefect.yaml`; write `pull:` among the variables of a deployment."),
        ("deployments: [{name: x, entrypoint: 'f.py:f'}]\n", "Each key is a flow's name"),
    ],
)
def test_keys_of_a_prefect_yaml_are_known(project: Callable[..., Path], file: str, hint: str) -> None:
    """Each is told where its like belongs."""
    assert hint in refusal(project(**{"meta_prefect.yaml": file}))


def test_thirty_flows_of_one_broken_module_are_one_error(project: Callable[..., Path]) -> None:
    """Its cause is told once, with the places of the first ones; programs still get each of them."""
    flows = "".join(f"@flow\ndef f{number}(): ...\n" for number in range(30))
    entries = "".join(
        f"  f{number}: [{{recipe: local_run_deployer, variables: {{name: x}}}}]\n" for number in range(30)
    )
    root = project(
        flow=f"from prefect import flow\n{flows}raise RuntimeError('broken')\n",
        **{"meta_prefect.yaml": f"deployments:\n{entries}"},
    )
    with pytest.raises(ValidationFailed) as failed:
        validate([str(root)])
    assert str(failed.value).count("RuntimeError: broken") == 1
    assert "The same at meta_prefect.yaml:3:8: deployments.f1[0]," in str(failed.value)
    assert "and 24 more." in str(failed.value)
    assert len(failed.value.errors) == 30


LOOP = """
    from prefect import flow

    from deployer_flows import local_run_deployer

    def copying(table):
        def copy() -> None: ...
        return copy

    for table in ("a", "b"):
        made = flow(name=f"UNIQUE-{table}")(copying(table))
        globals()[f"copy_{table}"] = MADE
"""


def test_flows_made_in_a_loop_are_deployed_by_their_entrypoint(project: Callable[..., Path], unique: str) -> None:
    """Where only the name is given, the error says which file makes names."""
    asked = "deployments: {UNIQUE-a: [{recipe: local_run_deployer, ENTRYPOINTvariables: {name: x}}]}\n"
    root = project(flow=LOOP.replace("MADE", "made"), **{"meta_prefect.yaml": asked.replace("ENTRYPOINT", "")})
    assert "Names are made when flow.py is imported: if the flow is one, add `entrypoint: flow.py:NAME`." in refusal(
        root
    )
    named = asked.replace("ENTRYPOINT", "entrypoint: 'flow.py:copy_a', ").replace("UNIQUE", unique)
    (root / "meta_prefect.yaml").write_text(named)
    assert [one.deployment for one in validate([str(root)]).outcomes] == [f"{unique}-a/x-dev"]


def test_flows_made_in_a_loop_may_carry_builders(project: Callable[..., Path], unique: str) -> None:
    """Each is found once, though the loop's own variable still means the last one."""
    made = 'local_run_deployer.with_variables(name="x")(made)'
    root = project(flow=LOOP.replace("MADE", made))
    assert {one.deployment for one in validate([str(root)]).outcomes} == {f"{unique}-a/x-dev", f"{unique}-b/x-dev"}
