"""Which deployments of a project are meant."""

from __future__ import annotations

import pytest

from meta_prefect.engine.selection import Selection


@pytest.mark.parametrize(
    ("selection", "flow", "deployment", "meant"),
    [
        pytest.param(Selection(), "etl", "nightly-dev", True, id="nothing asked for means everything"),
        pytest.param(Selection(names=("etl",)), "etl", "nightly-dev", True, id="a flow"),
        pytest.param(Selection(names=("etl",)), "report", "nightly-dev", False, id="another flow"),
        pytest.param(Selection(names=("my_flow",)), "my-flow", "a", True, id="_ is -"),
        pytest.param(Selection(names=("my-flow",)), "my_flow", "a", True, id="- is _"),
        pytest.param(Selection(names=("etl/nightly_dev",)), "etl", "nightly-dev", True, id="a deployment, _ is -"),
        pytest.param(Selection(names=("etl/nightly-dev",)), "etl", "hourly-dev", False, id="another deployment"),
        pytest.param(Selection(names=("a", "b")), "b", "x", True, id="one of two"),
        pytest.param(Selection(patterns=("et*",)), "etl", "x", True, id="a pattern"),
        pytest.param(Selection(patterns=("*/nightly-*",)), "etl", "nightly-dev", True, id="a pattern for deployments"),
        pytest.param(Selection(patterns=("*/nightly-*",)), "etl", "hourly-dev", False, id="which does not match"),
        pytest.param(Selection(patterns=("etl/[nh]*",)), "etl", "hourly-dev", True, id="a set of letters"),
        pytest.param(Selection(patterns=("*01*",)), "etl", "job-01-dev", True, id="a pattern for a deployment's name"),
        pytest.param(Selection(patterns=("etl*dev",)), "etl", "nightly-dev", True, id="and for both together"),
        pytest.param(Selection(patterns=("night*",)), "etl", "nightly-dev", True, id="the beginning of its name"),
        pytest.param(Selection(names=("nightly-dev",)), "etl", "nightly-dev", False, id="a name alone is a flow's"),
        pytest.param(Selection(names=("etl",), patterns=("re*",)), "report", "x", True, id="a name or a pattern"),
        pytest.param(Selection(names=("ETL",)), "etl", "x", False, id="case matters, as in Prefect"),
    ],
)
def test_including(selection: Selection, flow: str, deployment: str, meant: bool) -> None:
    """Names and patterns of flows, and of deployments as `flow/deployment`."""
    assert selection.includes(flow, deployment) is meant


@pytest.mark.parametrize(
    ("selection", "flow", "possible"),
    [
        pytest.param(Selection(), "etl", True, id="everything"),
        pytest.param(Selection(names=("etl/nightly-dev",)), "etl", True, id="one of its deployments"),
        pytest.param(Selection(names=("etl/nightly-dev",)), "report", False, id="another flow's deployment"),
        pytest.param(Selection(patterns=("*/nightly-*",)), "report", True, id="any flow's"),
        pytest.param(Selection(patterns=("*01*",)), "report", True, id="a deployment of any flow"),
        pytest.param(Selection(patterns=("etl/*01*",)), "report", False, id="a deployment of another flow"),
    ],
)
def test_what_cannot_be_meant_is_known_before_anything_is_loaded(
    selection: Selection, flow: str, possible: bool
) -> None:
    """A flow that is not meant is not imported, however broken it is."""
    assert selection.may_include(flow) is possible


@pytest.mark.parametrize(
    ("selection", "asked"), [(Selection(), False), (Selection(names=("a",)), True), (Selection(patterns=("*",)), True)]
)
def test_whether_anything_was_asked_for(selection: Selection, asked: bool) -> None:
    """An empty selection is false."""
    assert bool(selection) is asked


@pytest.mark.parametrize(
    ("selection", "messages"),
    [
        pytest.param(Selection(), [], id="nothing asked for"),
        pytest.param(Selection(names=("etl",), patterns=("re*",)), [], id="all found"),
        pytest.param(
            Selection(names=("elt",)),
            ["nothing in this project matches 'elt', as a path, a flow or a flow/deployment\n  Did you mean 'etl'?"],
            id="a misspelt flow",
        ),
        pytest.param(
            Selection(names=("etl/nightly-prod",)),
            [
                "nothing in this project matches 'etl/nightly-prod', as a path, a flow or a flow/deployment\n"
                "  Did you mean 'etl/nightly-dev'?"
            ],
            id="a deployment of another environment",
        ),
        pytest.param(
            Selection(names=("zzz",), patterns=("q*", "etl")),
            [
                f"nothing in this project matches {text!r}, as a path, a flow or a flow/deployment\n  Known: {known}."
                for text, known in (("zzz", "etl, report"), ("q*", "etl/nightly-dev, report/weekly-dev"))
            ],
            id="two of three",
        ),
    ],
)
def test_what_was_asked_for_and_is_not_there(selection: Selection, messages: list[str]) -> None:
    """Each name or pattern without a match is an error with the nearest name."""
    errors = selection.unmatched(["etl", "report"], [("etl", "nightly-dev"), ("report", "weekly-dev")])

    assert [str(error) for error in errors] == messages


@pytest.mark.parametrize(
    ("selection", "entrypoint", "possible"),
    [
        pytest.param(Selection(), "etl/flows.py:load", True, id="any file"),
        pytest.param(Selection(file="etl/flows.py"), "etl/flows.py:load", True, id="that file"),
        pytest.param(Selection(file="flows.py"), "etl/flows.py:load", False, id="a file of the same name elsewhere"),
        pytest.param(Selection(file="etl/flow"), "etl/flows.py:load", False, id="the beginning of a name"),
    ],
)
def test_a_file_is_meant(selection: Selection, entrypoint: str, possible: bool) -> None:
    """`meta-prefect deploy FILE` means the flows of that file."""
    assert selection.may_come_from(entrypoint) is possible
