"""Values of the project file that come from the environment of whoever deploys."""

from __future__ import annotations

import pytest

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.project import with_environment


def at(*place: str | int) -> str:
    """A place in the project file."""
    return ".".join(map(str, place))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set."""
    monkeypatch.setenv("BUCKET", "data")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("DB_PASSWORD", "hush")
    monkeypatch.delenv("UNSET", raising=False)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"a": "$env:BUCKET"}, {"a": "data"}, id="a text"),
        pytest.param({"a": {"b": [1, "$env:BUCKET", None]}}, {"a": {"b": [1, "data", None]}}, id="within"),
        pytest.param({"a": "$env:EMPTY"}, {"a": ""}, id="empty"),
        pytest.param({"a": "s3://${env:BUCKET}/${env:BUCKET}{}"}, {"a": "s3://data/data{}"}, id="within a text"),
        pytest.param({"a": "s3://$env:BUCKET", "b": 1}, {"a": "s3://$env:BUCKET", "b": 1}, id="no whole text"),
        pytest.param({"secrets": {"TOKEN": "$env:BUCKET"}}, {"secrets": {"TOKEN": "data"}}, id="a secret's name"),
        pytest.param({"$env:BUCKET": 1}, {"$env:BUCKET": 1}, id="a key"),
    ],
)
def test_what_is_filled(values: Record, expected: Record) -> None:
    """A whole text that refers to a variable is that variable's value; all else stays."""
    assert with_environment(values, at) == (expected, [])


@pytest.mark.parametrize(
    ("values", "place", "told"),
    [
        pytest.param(
            {"a": {"b": ["$env:UNSET"]}}, "variables.a.b.0", "the environment variable UNSET is not set", id="unset"
        ),
        pytest.param({"a": "$env:"}, "variables.a", "names no environment variable", id="no name"),
        pytest.param({"a": "x${env:A B}"}, "variables.a", "names no environment variable", id="no name within a text"),
        pytest.param({"a": "x${env:DB_PASSWORD}"}, "variables.a", "would write a secret", id="a secret within a text"),
        pytest.param({"a": "$env:A B"}, "variables.a", "names no environment variable", id="more than a name"),
        pytest.param({"a": "$env:DB_PASSWORD"}, "variables.a", "would write a secret", id="a secret by its name"),
        pytest.param(
            {"env_vars": {"TOKEN": "$env:BUCKET"}}, "variables.env_vars.TOKEN", "would write a secret", id="by its key"
        ),
    ],
)
def test_what_is_refused(values: Record, place: str, told: str) -> None:
    """The error has the place; the value of a secret is not looked at."""
    _, (error,) = with_environment(values, at)
    assert (error.where, told in error.message) == (place, True)
    assert "hush" not in str(error)
