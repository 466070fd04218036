"""Text on its way to people: in one line where it should be, short, and meaning nothing but itself."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_prefect.errors import MetaPrefectError, ValidationFailed
from meta_prefect.interfaces.markdown import code, fenced
from meta_prefect.interfaces.markdown import escaped as markdown
from meta_prefect.texts import LONGEST_ERROR, check_plain, escaped, presentable, quoted, shell

CONTROLS = ["\x00", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\x9b", "\u202a", "\u202e", "\u2066", "\u2069", "\u2028"]


@pytest.mark.parametrize("sign", CONTROLS, ids=ascii)
def test_control_characters(sign: str) -> None:
    """A name may hold none; a text of others is shown with them escaped."""
    assert sign not in escaped(f"a{sign}b")
    assert sign not in quoted({"a": f"b{sign}"})
    with pytest.raises(ValueError, match="holds control characters"):
        check_plain(f"a{sign}b")


@pytest.mark.parametrize("name", ["etl", "Zürich", "日本語", "a b", "emoji 🚀", "é", "key=abc", "[x]"])
def test_other_characters(name: str) -> None:
    """Names in all languages are names."""
    assert check_plain(name) == escaped(name) == name


def test_a_title_of_the_terminal_is_not_set() -> None:
    """What would have renamed the window is readable."""
    assert escaped("bad\x1b]0;pwned\x07") == "bad\\u001b]0;pwned\\u0007"


@given(st.text(max_size=60))
def test_a_word_of_a_command_stays_one_word(text: str) -> None:
    """A shell reads exactly the name, whatever is in it."""
    assert shlex.split(f"run {shell(text)} --watch") == ["run", text, "--watch"]


@given(st.text(alphabet="`~ab\n*", max_size=40))
def test_nothing_ends_a_block_of_code(text: str) -> None:
    """The fence is longer than any run of backticks in the block, and a span of code ends where it should."""
    first, *_, last = fenced(text, "diff").splitlines()
    assert first == f"{last}diff"
    assert last not in text
    span = code(text)
    fence = len(span) - len(span.lstrip("`"))
    assert "`" * fence not in span[fence:-fence].strip("` ") or not text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("my_flow/nightly-dev", "my_flow/nightly-dev"),
        ("*bold*", r"\*bold\*"),
        ("__x__", r"\_\_x\_\_"),
        ("[click](http://evil)", r"\[click\](http://evil)"),
        ("<img src=x>", r"\<img src=x\>"),
        ("a|b", r"a\|b"),
        ("# title", r"\# title"),
        ("a\n# title", "a\n\\# title"),
        ("&lt;", r"\&lt;"),
    ],
)
def test_names_mean_nothing_in_markdown(text: str, written: str) -> None:
    """A name is neither a link nor a title nor another cell of a table."""
    assert markdown(text) == written


@settings(deadline=None)
@given(st.integers(1, 4), st.sampled_from(["x", "é", "'", "\x1b", "a b ", "\n", "password=x "]))
def test_no_message_is_long(power: int, piece: str) -> None:
    """However much an error is given to quote, people get a message that they can read."""
    huge = piece * 10**power

    error = MetaPrefectError(f"{huge!r} is wrong: {huge}", where=f"file: {huge}", hint=f"Known: {huge}.")

    assert len(str(error)) < 3000
    assert len(quoted([huge])) <= 200
    assert len(presentable(huge)) <= LONGEST_ERROR + 100


def test_what_is_said_about_a_long_quotation_stays() -> None:
    """Its middle is left out, and so many characters of it are counted."""
    said = str(MetaPrefectError(f"'{'x' * 5000}' is no address of a repository"))

    assert said.startswith("'xxx")
    assert said.endswith("xxx' is no address of a repository")
    assert "characters left out" in said


def test_many_errors_are_all_said() -> None:
    """Only each one is bounded."""
    many = ValidationFailed([MetaPrefectError(f"error {number}") for number in range(500)])  # pyright: ignore[reportArgumentType]
    assert len(str(many).splitlines()) == 500


class Angry:
    """Something whose representation is an attack."""

    def __repr__(self) -> str:
        return "\x1b]0;pwned\x07" + "x" * 5000


@pytest.mark.parametrize("value", [Angry(), {"password": "hunter2X", "x": Angry()}], ids=["alone", "in a mapping"])
def test_representations_of_others_are_quoted_short(value: Any) -> None:
    """An object of a builder's is shown by a short, clean piece."""
    said = quoted(value)
    assert len(said) <= 200
    assert "\x1b" not in said
    assert "hunter2X" not in said
