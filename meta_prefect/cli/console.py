"""A terminal that shows text of others as text: neither secrets nor control characters reach it, whatever is printed."""

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
    """A console whose own colours and links are all that a terminal takes for more than text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Clean each piece of text on its way."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=escaped(redacted(segment.text), keep="\n"))


def linked(text: str, url: str | None) -> Text:
    """A text that leads to an address, on terminals that can do that.

    Args:
        text: The text.
        url: The address; None makes a plain text.
    """
    plain = escaped(text)
    return Text(plain, style=Style(link=quote(url, safe=_IN_ADDRESS))) if url else Text(plain)


def aligned(title: str, columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """A table without lines, so that long names have room; a column in which nothing stands is left out.

    Args:
        title: What stands above it, as plain text.
        columns: The heads of the columns.
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
    """A text whose further lines are no lines of their own: none of them can pass for one of ours."""
    return re.sub(r"\n(?=\S)", "\n  ", text)
