"""Texts in Markdown pages: what a name or a remark holds is shown as it is, and never taken for markup.

Both Prefect UIs render GitHub's flavor of Markdown, HTML included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from meta_prefect import texts

# An underscore within a word is no markup, and names are full of them.
_MARKUP: Final = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")
_AT_LINE_START: Final = re.compile(r"^(\s*)([#+\-=]|\d+(?=[.)]))", re.MULTILINE)
_BREAKABLE: Final = re.compile(r"[^\s/.,_-]*[\s/.,_-]|[^\s/.,_-]+")


def visible(text: str) -> str:
    r"""The text with its control characters written out (``\u001b``); tabs and ends of lines stay."""
    return texts.escaped(text.replace("\r\n", "\n"), keep="\n\t")


def escaped(text: str) -> str:
    """A text for the body of a page, with its markup switched off."""
    plain = _MARKUP.sub(lambda found: f"\\{found.group()}", visible(text))
    return _AT_LINE_START.sub(_switched_off, plain)


def code(text: str) -> str:
    """A text as code within a line; what is empty gives nothing."""
    one_line = " ".join(visible(text).split("\n"))
    fence = "`" * (_longest_run(one_line) + 1)
    space = " " if one_line.startswith("`") or one_line.endswith("`") else ""
    return f"{fence}{space}{one_line}{space}{fence}" if one_line else ""


def link(markdown: str, url: str | None) -> str:
    """A link on a text that is Markdown already; without an address the text alone."""
    return f"[{markdown}](<{url}>)" if url else markdown


def wrapped(text: str, width: int, url: str | None = None) -> str:
    """An escaped text for a cell, broken into lines of limited length: one of the UIs breaks none itself.

    Args:
        text: The text.
        width: The most characters of a line.
        url: Where it leads; each line is a link of its own, as that UI breaks none within a link.
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
    """A row of a table, whose cells are Markdown already."""
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table, whose cells are Markdown already."""
    names = tuple(columns)
    return [row(names), "|---" * len(names) + "|", *(row(cells) for cells in rows)]


def fenced(text: str, language: str = "") -> str:
    """A block of code, whatever the text holds."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{visible(text)}\n{fence}"


def _cell(text: str) -> str:
    # A bar ends a cell even within code; the one that `escaped` has dealt with stays.
    return re.sub(r"(?<!\\)\|", r"\\|", text).replace("\n", "<br>")


def _switched_off(found: re.Match[str]) -> str:
    blanks, mark = found.groups()
    return f"{blanks}{mark}\\" if mark.isdigit() else f"{blanks}\\{mark}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
