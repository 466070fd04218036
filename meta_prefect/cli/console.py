"""A terminal that shows text of others as text: neither secrets nor control characters reach it, whatever is printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
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


def indented(text: str) -> str:
    """A text whose further lines are no lines of their own: none of them can pass for one of ours."""
    return re.sub(r"\n(?=\S)", "\n  ", text)
