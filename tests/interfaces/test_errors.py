"""Errors: what they say, and that they arrive whole in other processes."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from meta_prefect import errors
from meta_prefect.errors import (
    ConfigurationError,
    DeployFailed,
    MetaPrefectError,
    RecipeError,
    ValidationFailed,
    nearest,
)
from meta_prefect.report import Report


def kinds(root: type[MetaPrefectError]) -> Iterator[type[MetaPrefectError]]:
    """A class of errors and all below it."""
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


def simple_kinds() -> list[type[MetaPrefectError]]:
    """All errors that are made of a message, a place and a hint."""
    found = kinds(MetaPrefectError)
    return [kind for kind in found if kind.__module__ == errors.__name__ and kind.__init__ is MetaPrefectError.__init__]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(MetaPrefectError("no"), "no", id="message"),
        pytest.param(MetaPrefectError("no", where="a.yaml:3"), "a.yaml:3: no", id="place"),
        pytest.param(MetaPrefectError("no", hint="Do."), "no\n  Do.", id="hint"),
        pytest.param(MetaPrefectError("no", where="a.yaml:3", hint="Do."), "a.yaml:3: no\n  Do.", id="all"),
        pytest.param(
            ValidationFailed([RecipeError("no", hint="Do."), ConfigurationError("neither", where="b")]),
            "no\n  Do.\nb: neither",
            id="several",
        ),
    ],
)
def test_texts(error: MetaPrefectError, text: str) -> None:
    """Place, message and hint make the text that the command line prints."""
    assert str(error) == text


@pytest.mark.parametrize("kind", simple_kinds(), ids=lambda kind: kind.__name__)
def test_pickling(kind: type[MetaPrefectError]) -> None:
    """Place and hint survive the way from a flow run's process to the one that reports them."""
    returned = pickle.loads(pickle.dumps(kind("no", where="here", hint="Do.")))  # noqa: S301 - made on this line

    assert type(returned) is kind
    assert (returned.message, returned.where, returned.hint, str(returned)) == ("no", "here", "Do.", "here: no\n  Do.")


def test_pickling_what_carries_more() -> None:
    """The single errors and the report come along."""
    several = pickle.loads(pickle.dumps(ValidationFailed([RecipeError("no", where="here")])))  # noqa: S301 - as above
    failed = pickle.loads(pickle.dumps(DeployFailed("1 of 2 failed", report=Report(environment="prod"))))  # noqa: S301 - as above

    assert [str(error) for error in several.errors] == ["here: no"]
    assert type(several.errors[0]) is RecipeError
    assert (str(failed), failed.report) == ("1 of 2 failed", Report(environment="prod"))


def test_what_the_user_wrote_is_told_from_what_the_server_did() -> None:
    """Callers decide by class: configuration, server (temporary or not), process."""
    assert issubclass(errors.RecipeError, errors.ConfigurationError)
    assert issubclass(errors.OverloadedError, errors.TemporaryServerError)
    assert not issubclass(errors.RefusedError, errors.TemporaryServerError)
    assert not issubclass(errors.ValidationFailed, errors.ConfigurationError)


@pytest.mark.parametrize(
    ("value", "known", "text"),
    [
        pytest.param("schedul", ["schedule", "name"], "Did you mean 'schedule'?", id="close"),
        pytest.param("zzz", ["schedule", "name"], "Known: name, schedule.", id="far"),
        pytest.param("zzz", [], "", id="nothing known"),
        pytest.param("x", ["b", "a", "b"], "Known: a, b.", id="each once, sorted"),
    ],
)
def test_nearest(value: str, known: list[str], text: str) -> None:
    """A name that nobody knows is answered with the one that was probably meant, else with all."""
    assert nearest(value, known) == text
