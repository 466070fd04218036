"""From where an environment may be deployed, and to which server: one clear message each, and nothing is written."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.settings import (
    PREFECT_API_KEY,
    PREFECT_CLIENT_CUSTOM_HEADERS,
    PREFECT_PROFILES_PATH,
    get_current_settings,
    temporary_settings,
)
from texts import WORK_FLOW

from meta_prefect.deploy import deploy
from meta_prefect.engine.gates import check_gates
from meta_prefect.errors import MetaPrefectError
from meta_prefect.local.environment_server import server_of
from meta_prefect.project import read_project

FILE = """
    project: UNIQUE
    environments:
      dev:
      prod: SAYS
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          variables: {name: nightly}
"""
Files = Callable[..., Path]


@pytest.fixture
def on_feature(project: Files) -> Callable[[str], Path]:
    """A project, committed on the branch `feature` of a repository, that says something of `prod`."""

    def make(says: str) -> Path:
        root = project(flow=WORK_FLOW, **{"meta_prefect.yaml": FILE.replace("SAYS", f"{{{says}}}")})
        git(root, "init", "-q", "-b", "feature")
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", "first")
        return root

    return make


def git(root: Path, *arguments: str) -> None:
    """Run Git in a folder."""
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("env", "says", "found"),
    [
        ("prd", "", "there is no environment 'prd' in this project\n  Did you mean 'prod'"),
        (
            "prod",
            "branches: [main, 'release/*']",
            "prod is deployed from main or release/* only, and this is branch feature",
        ),
        ("prod", "clean: true", "prod is deployed without uncommitted changes only: new.py"),
        ("prod", "profile: nowhere", "environments.prod.profile: there is no Prefect profile 'nowhere' on this host"),
        (
            "prod",
            "api_url: 'http://127.0.0.1:1/api', api_key_from: META_PREFECT_TESTS_NO_KEY",
            "the environment variable META_PREFECT_TESTS_NO_KEY is not set, which holds the key of prod's API",
        ),
    ],
    ids=["environment", "branch", "dirty", "profile", "key"],
)
def test_refused_before_any_server_is_asked(on_feature: Callable[[str], Path], env: str, says: str, found: str) -> None:
    """No server is there at all: none of these gets as far as asking one."""
    root = on_feature(says)
    (root / "new.py").touch()
    with pytest.raises(MetaPrefectError) as failed:
        deploy([str(root)], env=env)
    assert found in str(failed.value)


def test_the_commit_of_a_branch_is_on_it(on_feature: Callable[[str], Path]) -> None:
    """Where a commit alone is checked out, as CI does it, the branches count that it is on; patterns too."""
    root = on_feature("branches: 'fea*'")
    git(root, "checkout", "-q", "--detach")
    check_gates(read_project(root), "prod")
    git(root, "commit", "-q", "--allow-empty", "-m", "second")
    with pytest.raises(MetaPrefectError, match=r"from fea\* only, and this commit is on no branch"):
        check_gates(read_project(root), "prod")


@pytest.mark.parametrize(
    ("says", "place", "login"),
    [
        ("api_url: 'http://127.0.0.1:2/api', api_key_from: PROD_LOGIN", "http://127.0.0.1:2/api", "ada:hunter2222"),
        ("profile: of-prod", "http://127.0.0.1:3/api (profile of-prod)", None),
    ],
)
def test_a_server_is_opened_by_its_own_key_alone(
    project: Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, place: str, login: str | None
) -> None:
    """Neither the key nor the headers that open another server go along; a key with a colon is what an own server asks for."""
    monkeypatch.setenv("PROD_LOGIN", "ada:hunter2222")
    profiles = tmp_path / "profiles.toml"
    profiles.write_text('[profiles.of-prod]\nPREFECT_API_URL = "http://127.0.0.1:3/api"\n')
    described = read_project(project(flow=WORK_FLOW, **{"meta_prefect.yaml": FILE.replace("SAYS", f"{{{says}}}")}))
    others = {PREFECT_API_KEY: "pnu_other", PREFECT_CLIENT_CUSTOM_HEADERS: {"X-Key": "other"}}

    with temporary_settings({**others, PREFECT_PROFILES_PATH: profiles}):
        with server_of(described, "prod") as found:
            inside = get_current_settings()
        with server_of(described, "dev") as nowhere:
            outside = get_current_settings()

    assert (found, nowhere) == (place, None)
    assert inside.api.url == place.partition(" ")[0]
    assert (inside.api.key, inside.client.custom_headers) == (None, {})
    assert (inside.api.auth_string and inside.api.auth_string.get_secret_value()) == login
    assert outside.api.key is not None
