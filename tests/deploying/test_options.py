"""The options of a deploy: the same from the command line, from Python and in the form of the deployer."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from deployer_flows import deploy_project
from meta_prefect.cli.options import ApplyOptions, PlanOptions
from meta_prefect.deploy import Options, Parameters, deploy

IN_THE_FORM_ONLY = {"revision", "tags", "version"}
"""From the command line, --remote has a revision of its own, and META_PREFECT__TAGS and META_PREFECT__VERSION say the others."""


def test_the_form_asks_what_python_asks() -> None:
    """The flow's parameters are the options of ``deploy()``."""
    form = set(inspect.signature(deploy_project.fn).parameters)
    assert {*Options.__annotations__, *Parameters.__annotations__} == form - IN_THE_FORM_ONLY


def test_the_command_line_asks_what_python_asks() -> None:
    """The options that the command line gives on are those of ``deploy()``."""
    given = {**PlanOptions().given(), **ApplyOptions().given()}
    assert given.keys() - {"env", "select"} == Options.__annotations__.keys()


def test_an_option_that_is_none_is_refused() -> None:
    """A misspelled option is no option that is silently left out."""
    options: Any = {"on_eror": "atomic"}
    with pytest.raises(TypeError, match=r"deploy\(\) has no option on_eror"):
        deploy(**options)
