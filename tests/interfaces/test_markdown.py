"""Texts in Markdown pages."""

from __future__ import annotations

import pytest

from meta_prefect.interfaces.commits import is_commit, short_commit
from meta_prefect.interfaces.markdown import code, escaped, fenced, link, table, wrapped

COMMIT = "7fd9fa7" + "0" * 33


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("local_run_deployer to dev", "local_run_deployer to dev", id="names stay readable"),
        pytest.param("_loud_ and **loud**", r"\_loud\_ and \*\*loud\*\*", id="emphasis"),
        pytest.param("<img src=x> & [a](b)", r"\<img src=x\> \& \[a\](b)", id="HTML and links"),
        pytest.param("# a\n- b\n1. c", "\\# a\n\\- b\n1\\. c", id="starts of lines"),
        pytest.param("2026-11-26 09:00", "2026-11-26 09:00", id="times"),
        pytest.param("a\x1b]0;b\x07", r"a\\u001b\]0;b\\u0007", id="control characters"),
        pytest.param("`a`|b", r"\`a\`\|b", id="code and tables"),
    ],
)
def test_text_is_shown_as_it_is(text: str, written: str) -> None:
    """Markup in a name or a remark is switched off; what is no markup stays as it is."""
    assert escaped(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("a/b", "`a/b`", id="plain"),
        pytest.param("a`b", "``a`b``", id="a backtick within"),
        pytest.param("`a`", "`` `a` ``", id="backticks around"),
        pytest.param("a\nb\x00", "`a b\\u0000`", id="one line"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_code_within_a_line(text: str, written: str) -> None:
    """Code holds any text."""
    assert code(text) == written


def test_blocks_tables_and_links_hold_any_text() -> None:
    """A fence is longer than any in the text; a bar and the end of a line stay within their cell."""
    assert fenced("a\n```\nb", "diff") == "````diff\na\n```\nb\n````"
    assert table(("a", "b"), [(escaped("x|y"), code("x|y")), ("1\n2", "")]) == [
        "| a | b |",
        "|---|---|",
        r"| x\|y | `x\|y` |",
        "| 1<br>2 |  |",
    ]
    assert link(escaped("a]b"), "../../x") == r"[a\]b](<../../x>)"
    assert link("a", None) == "a"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("load/nightly", ["load/nightly"], id="short"),
        pytest.param("load-orders/nightly-dev", ["load-orders/", "nightly-dev"], id="at a slash"),
        pytest.param("schedules.cron.rrule, tags", ["schedules.", "cron.rrule,", "tags"], id="at dots and blanks"),
        pytest.param("x" * 25, ["x" * 12, "x" * 12, "x"], id="within a word where there is no other place"),
        pytest.param("a\nb_c|", ["a", r"b_c\|"], id="ends of lines"),
        pytest.param("", [""], id="nothing"),
    ],
)
def test_cells_are_broken_into_lines(text: str, lines: list[str]) -> None:
    """No line of a cell is longer than asked for, and each is broken at the best place."""
    assert wrapped(text, 12).split("<br>") == lines


def test_each_line_of_a_broken_link_is_a_link() -> None:
    """One of the UIs shows the mark of a line's end within a link as it is written."""
    assert wrapped("load/nightly-dev", 8, "x") == "[load/](<x>)<br>[nightly-](<x>)<br>[dev](<x>)"


@pytest.mark.parametrize(
    ("text", "short"),
    [
        pytest.param(COMMIT, "7fd9fa7", id="a commit"),
        pytest.param(f"{COMMIT}+dirty", "7fd9fa7+dirty", id="changed since"),
        pytest.param("3", "3", id="a counted version"),
        pytest.param("7fd9fa7", "7fd9fa7", id="short already"),
        pytest.param(f"v{COMMIT}", f"v{COMMIT}", id="something else"),
        pytest.param("a" * 64, "a" * 64, id="a hash of content"),
    ],
)
def test_commits_are_short(text: str, short: str) -> None:
    """Seven characters of a commit hash, and what is marked behind it; any other text as it is."""
    assert short_commit(text) == short
    assert is_commit(text) == (short != text)
