"""Markdown for artifact pages: names and remarks are shown literally, never interpreted as markup.

Both Prefect UIs render GitHub Flavored Markdown, including HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from meta_prefect import texts

# An underscore inside a word is not markup, and names are full of them.
_MARKUP: Final = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")
_AT_LINE_START: Final = re.compile(r"^(\s*)([#+\-=]|\d+(?=[.)]))", re.MULTILINE)
_BREAKABLE: Final = re.compile(r"[^\s/.,_-]*[\s/.,_-]|[^\s/.,_-]+")


def visible(text: str) -> str:
    r"""Return the text with control characters escaped (``\u001b``), except tabs and newlines."""
    return texts.escaped(text.replace("\r\n", "\n"), keep="\n\t")


def escaped(text: str) -> str:
    """Escape a text's markup for the body of a page."""
    plain = _MARKUP.sub(lambda found: f"\\{found.group()}", visible(text))
    return _AT_LINE_START.sub(_switched_off, plain)


def code(text: str) -> str:
    """Format a text as inline code; empty text stays empty."""
    one_line = " ".join(visible(text).split("\n"))
    fence = "`" * (_longest_run(one_line) + 1)
    space = " " if one_line.startswith("`") or one_line.endswith("`") else ""
    return f"{fence}{space}{one_line}{space}{fence}" if one_line else ""


def link(markdown: str, url: str | None) -> str:
    """Link a text that is already Markdown; without a URL, return only the text."""
    return f"[{markdown}](<{url}>)" if url else markdown


def wrapped(text: str, width: int, url: str | None = None) -> str:
    """Escape a text for a table cell and break it into lines of limited length, because one of the UIs does not wrap.

    Args:
        text: The text.
        width: The maximum number of characters per line.
        url: The link target; each line becomes its own link, because that UI does not wrap links either.
    """
    lines = [""]
    for piece in _BREAKABLE.findall(visible(text)):
        for part in (piece[at : at + width] for at in range(0, len(piece), width)):
            if len(lines[-1]) + len(part.rstrip()) > width:
                lines.append("")
            lines[-1] += part
        if piece.endswith("\n"):
            lines.append("")
    return "<br>".join(link(escaped(line.rstrip()), url) for line in lines if line.strip())


def row(cells: Iterable[str]) -> str:
    """Format a table row from cells that are already Markdown."""
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Format a table, as lines, from cells that are already Markdown."""
    names = tuple(columns)
    return [row(names), "|---" * len(names) + "|", *(row(cells) for cells in rows)]


def fenced(text: str, language: str = "") -> str:
    """Format a code block with a fence long enough for the text."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{visible(text)}\n{fence}"


def _cell(text: str) -> str:
    # A bar ends a cell even inside code; those already escaped are left alone.
    return re.sub(r"(?<!\\)\|", r"\\|", text).replace("\n", "<br>")


def _switched_off(found: re.Match[str]) -> str:
    blanks, mark = found.groups()
    return f"{blanks}{mark}\\" if mark.isdigit() else f"{blanks}\\{mark}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
