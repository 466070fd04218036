"""A console that shows foreign text literally: without secrets or control characters, whatever is printed."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from meta_prefect.redaction import redacted
from meta_prefect.texts import escaped

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType
    from rich.table import Table

_FURTHER: Final = 4
"""By how much further parts of a line are indented."""

_GLUE: Final = "\ufffc"
"""Stands for a blank at which no line is broken; no text of ours has it."""

_IN_ADDRESS = ":/?#[]@!$&'()*+,;=%~-._"


class PlainConsole(Console):
    """A console in which only our own colors and links are interpreted by the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Clean each text segment before output."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=escaped(redacted(segment.text), keep="\n"))


def linked(text: str, url: str | None) -> Text:
    """Return a text that links to a URL, on terminals that support links.

    Args:
        text: The text.
        url: The URL; None for plain text.
    """
    plain = escaped(text)
    return Text(plain, style=Style(link=quote(url, safe=_IN_ADDRESS))) if url else Text(plain)


def aligned(title: str, columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Return a table without borders, to leave room for long names; empty columns are omitted.

    Args:
        title: The title, as plain text.
        columns: The column headings.
        rows: The cells, as markup or as :class:`Text`.
    """
    from rich.table import Table

    cells = list(rows)
    shown = [index for index in range(len(columns)) if any(str(row[index]) for row in cells)]
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    for index in shown:
        table.add_column(columns[index], overflow="fold")
    for row in cells:
        table.add_row(*(row[index] for index in shown))
    return table


def width_of(console: Console) -> int | None:
    """How long a line of it may be; None where nobody looks, and lines stay whole."""
    return console.width if console.is_terminal else None


def folded(line: str, width: int | None) -> list[str]:
    """A line in parts that fit, broken between words where that can be; what is to be typed stays in one piece.

    Args:
        line: The line.
        width: How long a part may be; None for any length.
    """
    if width is None or len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + _FURTHER)
    glued = re.sub("`[^`]*`", lambda command: command[0].replace(" ", _GLUE), line)
    parts = textwrap.wrap(glued, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
    return [part.replace(_GLUE, " ") for part in parts]


def indented(text: str) -> str:
    """Indent the continuation lines of a text, so that none of them can pass for one of ours."""
    return re.sub(r"\n(?=\S)", "\n  ", text)
