"""A terminal for commands: what somebody sees who runs them, as text with its colours, and as a picture."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

_CURSOR = re.compile(r"\x1b\[\?25[hl]")
_TAKEN_AWAY = re.compile(r"[^\n]*\n\r?\x1b\[1A\x1b\[2K|[^\n]*\x1b\[2K|[^\n]*\r")
"""A line of progress, which is written over or removed."""
_STYLE = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\")
_FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def screen(*arguments: str, columns: int, cwd: Path, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run `meta-prefect` on a terminal; returns its exit code and what stands there in the end, with colours.

    Args:
        arguments: The command.
        columns: How wide the terminal is.
        cwd: Where it runs.
        env: What its environment has besides.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "meta_prefect.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
        cwd=cwd,
        env={**environment, "TERM": "xterm-256color", **(env or {})},
    )
    os.close(its)
    printed = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        while True:
            try:
                part = terminal.read(65536)
            except OSError:  # how Linux says that nobody writes any more
                break
            if not part:
                break
            printed += part
    text = _CURSOR.sub("", printed.decode().replace("\r\n", "\n"))
    return process.wait(timeout=60), _TAKEN_AWAY.sub("", text)


def without_style(text: str) -> str:
    """A screen without its colours and links."""
    return _STYLE.sub("", text)


def as_svg(text: str, columns: int, title: str) -> str:
    """A picture of a screen.

    Args:
        text: What stands there, with colours.
        columns: How wide it is.
        title: What stands above.
    """
    console = Console(record=True, width=columns, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text), end="")
    return _FONT.sub("", console.export_svg(title=title))
