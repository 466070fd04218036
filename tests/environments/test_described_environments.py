"""What a project file says of its environments, and what is said of what it says wrongly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meta_prefect.errors import TargetError, ValidationFailed
from meta_prefect.project import Project, read_project

KEY = "pnu_" + "a1" * 18
FILE = """
    project: UNIQUE
    environments: {ENVIRONMENTS}
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: nightly}
"""
Files = Callable[..., Path]


def described(project: Files, environments: str, entry: str = "") -> Project:
    """Read a project whose file describes some environments, and whose entry says something more."""
    file = FILE.replace("ENVIRONMENTS", environments) + (f"          {entry}\n" if entry else "")
    return read_project(project(**{"meta_prefect.yaml": file}))


def test_a_name_counts_before_a_pattern(project: Files) -> None:
    """Each environment is the one of its name, else that of a pattern; one that is not there names the nearest."""
    environments = described(project, "dev: , prod: {branches: main}, 'pr-*': {clean: true}, pr-1: {}").environments
    found = {name: environments.check(name) for name in ("dev", "prod", "pr-1", "pr-2")}
    assert {name: one and one.key for name, one in found.items()} == {
        "dev": "dev", "prod": "prod", "pr-1": "pr-1", "pr-2": "pr-*"
    }  # fmt: skip
    assert {name: one and one.is_protected for name, one in found.items()} == {
        "dev": True, "prod": True, "pr-1": True, "pr-2": False
    }  # fmt: skip
    with pytest.raises(TargetError, match=r"no environment 'prd' in this project\n  Did you mean 'prod'"):
        environments.check("prd")


@pytest.mark.parametrize(
    ("says", "found"),
    [
        (f"api_key: {KEY}", "environments.prod.api_key: unknown key 'api_key'\n  A secret is named, never written"),
        (f"api_url: 'https://x.example/api', api_key_from: {KEY}", "should be the name of an environment variable"),
        ("api_url: 'https://ada:hunter22@x.example/api'", "environments.prod.api_url: holds a password or a key"),
        (f"api_url: {KEY}", "environments.prod.api_url: should be an address"),
        ("profile: p, api_url: 'http://x.example/api'", "`profile` and `api_url` both say where it is"),
        ("api_key_from: PROD_KEY", "`api_key_from` without `api_url`"),
        ("brances: main", "environments.prod.brances: unknown key 'brances'\n  Did you mean 'branches'"),
        ("approval: {wihtin: 3d}", "environments.prod.approval.wihtin: unknown key 'wihtin'\n  Did you mean 'within'"),
        ("approval: {within: 24}", "environments.prod.approval.within: is no length of time (got 24)\n  Write '30m'"),
    ],
)
def test_what_is_wrong_is_said_at_its_place_without_secrets(project: Files, says: str, found: str) -> None:
    """Each message names file, line and key, and shows no key or password."""
    with pytest.raises(ValidationFailed) as failed:
        described(project, f"prod: {{{says}}}")
    assert str(failed.value).startswith("meta_prefect.yaml:2:")
    assert found in str(failed.value)
    assert KEY not in str(failed.value)
    assert "hunter22" not in str(failed.value)


@pytest.mark.parametrize(
    ("entry", "place"), [("environments: [prd]", "environments[0]"), ("overrides: {prd: {cpu: 4}}", "overrides.prd")]
)
def test_an_entry_names_environments_that_there_are(project: Files, entry: str, place: str) -> None:
    """An unknown one is an error; without descriptions any name is right."""
    with pytest.raises(ValidationFailed, match=r"there is no environment 'prd' in this project") as failed:
        described(project, "prod: {}", entry)
    assert f"deployments.{failed.value.errors[0].where}".endswith(place)
    assert described(project, "", entry).entries
