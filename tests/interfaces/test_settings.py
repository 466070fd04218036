"""What META_PREFECT__* environment variables say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from meta_prefect.errors import SettingsError
from meta_prefect.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.delenv("META_PREFECT__START_WORKER", raising=False)


def test_defaults() -> None:
    """With nothing set, the environment is `dev` and workers are started."""
    assert read_settings() == Settings(env="dev", tags=(), version=None, start_worker=True)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        pytest.param("ENV", "prod", "env", "prod", id="environment"),
        pytest.param("ENV", "", "env", "dev", id="an empty variable is none"),
        pytest.param("VERSION", "1.2", "version", "1.2", id="version"),
        pytest.param("TAGS", "team", "tags", ("team",), id="one tag"),
        pytest.param("TAGS", " b, a ,,b", "tags", ("b", "a"), id="tags: trimmed, no blanks, each once, in order"),
        pytest.param("TAGS", "", "tags", (), id="no tags"),
        pytest.param("TAGS", '["a"]', "tags", ('["a"]',), id="tags are no JSON"),
        pytest.param("START_WORKER", "false", "start_worker", False, id="no worker"),
        pytest.param("START_WORKER", "1", "start_worker", True, id="a worker"),
    ],
)
def test_reading(monkeypatch: pytest.MonkeyPatch, variable: str, text: str, field: str, value: Any) -> None:
    """Each variable is read as it is now."""
    monkeypatch.setenv(f"META_PREFECT__{variable}", text)

    assert getattr(read_settings(), field) == value


def test_a_value_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and shows its value."""
    monkeypatch.setenv("META_PREFECT__START_WORKER", "maybe")

    with pytest.raises(SettingsError, match="got 'maybe'") as refused:
        read_settings()
    assert refused.value.where == "environment variable META_PREFECT__START_WORKER"


def test_other_variables_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of a newer or older version is no error."""
    monkeypatch.setenv("META_PREFECT__UNHEARD_OF", "1")

    assert read_settings().env == "dev"


def test_settings_stay_as_they_were_read() -> None:
    """What a run read at its start holds to its end."""
    with pytest.raises(ValidationError, match="frozen"):
        read_settings().env = "prod"  # pyright: ignore[reportAttributeAccessIssue]
