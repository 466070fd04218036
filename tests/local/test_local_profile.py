"""The Prefect profile of the embedded default."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from meta_prefect.errors import ProcessError
from meta_prefect.local.profile import ProfileOutcome, point_profile_at

URL = "http://127.0.0.1:4200/api"
ADVICE = "prefect profile use meta-prefect"


def stored(home: Path) -> dict[str, Any]:
    """Read the profiles file."""
    return tomllib.loads((home / "profiles.toml").read_text())


def write(home: Path, text: str) -> None:
    """Write the profiles file."""
    home.mkdir(exist_ok=True)
    (home / "profiles.toml").write_text(text)


@pytest.mark.parametrize(
    ("profiles", "activated"),
    [
        pytest.param(None, True, id="no file"),
        pytest.param("", True, id="empty file"),
        pytest.param('active = "ephemeral"\n', True, id="the default is active"),
        pytest.param('active = "default"\n[profiles.default]\n', True, id="the former default is active and empty"),
        pytest.param(
            'active = "ephemeral"\n[profiles.ephemeral]\nPREFECT_SERVER_EPHEMERAL_ENABLED = "true"\n',
            True,
            id="the default as delivered",
        ),
        pytest.param(
            'active = "ephemeral"\n[profiles.ephemeral]\nPREFECT_API_URL = "http://x/api"\n',
            False,
            id="the default with a URL",
        ),
        pytest.param(
            '[profiles.ephemeral]\nPREFECT_API_URL = "http://x/api"\n',
            False,
            id="none is active, the default has a URL",
        ),
        pytest.param(
            'active = "ephemeral"\n[profiles.ephemeral]\nPREFECT_SERVER_EPHEMERAL_ENABLED = "false"\n',
            False,
            id="the default changed",
        ),
        pytest.param(
            'active = "default"\n[profiles.default]\nPREFECT_LOGGING_LEVEL = "DEBUG"\n',
            False,
            id="the former default in use",
        ),
        pytest.param('active = "local"\n', False, id="another one chosen"),
        pytest.param(
            'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "http://x/api"\n', False, id="one of the user's"
        ),
        pytest.param(
            'active = "meta-prefect"\n[profiles.meta-prefect]\nPREFECT_API_URL = "http://old/api"\n',
            True,
            id="ours, with an old address",
        ),
    ],
)
def test_the_profile_is_activated_only_over_an_untouched_default(
    home: Path, profiles: str | None, activated: bool
) -> None:
    """The profile gets the address; it becomes active only where the user has set nothing; other profiles stay as they are."""
    if profiles is not None:
        write(home, profiles)
    before = tomllib.loads(profiles or "")
    assert point_profile_at(URL) == ProfileOutcome(
        name="meta-prefect", activated=activated, advice=None if activated else ADVICE
    )
    after = stored(home)
    assert after.get("active") == ("meta-prefect" if activated else before.get("active"))
    assert after["profiles"].pop("meta-prefect") == {"PREFECT_API_URL": URL}
    before.get("profiles", {}).pop("meta-prefect", None)
    assert after["profiles"] == before.get("profiles", {})


def test_doing_it_twice_writes_nothing(home: Path) -> None:
    """The second time has the same outcome and leaves the file untouched, the user's comments included."""
    first = point_profile_at(URL)
    path = home / "profiles.toml"
    path.write_text(f"# mine\n{path.read_text()}")
    assert point_profile_at(URL) == first
    assert path.read_text().startswith("# mine\n")


def test_the_auth_string_comes_and_goes(home: Path) -> None:
    """An auth string is kept in a file that only its owner reads, and dropped when the server asks for none."""
    point_profile_at(URL, "user:secret")
    assert stored(home)["profiles"]["meta-prefect"]["PREFECT_API_AUTH_STRING"] == "user:secret"
    assert stat.S_IMODE((home / "profiles.toml").stat().st_mode) == 0o600
    point_profile_at(URL)
    assert stored(home)["profiles"]["meta-prefect"] == {"PREFECT_API_URL": URL}


@pytest.mark.parametrize(
    ("chosen", "activated"),
    [pytest.param("ephemeral", False, id="another"), pytest.param("meta-prefect", True, id="ours")],
)
def test_a_profile_chosen_by_the_environment_wins(
    home: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, activated: bool
) -> None:
    """With PREFECT_PROFILE set nothing is activated in the file; the advice is the line that works in that shell."""
    monkeypatch.setenv("PREFECT_PROFILE", chosen)
    outcome = point_profile_at(URL)
    assert outcome.activated is activated
    assert outcome.advice == (None if activated else "export PREFECT_PROFILE=meta-prefect")
    assert "active" not in stored(home)


def test_a_broken_profiles_file_is_left_and_named(home: Path) -> None:
    """A file that is no TOML is not overwritten: the error names it and says how to do without."""
    write(home, "active = \n")
    with pytest.raises(ProcessError, match=r"profiles\.toml: cannot point .*\n  .*export PREFECT_API_URL="):
        point_profile_at(URL)
    assert (home / "profiles.toml").read_text() == "active = \n"
