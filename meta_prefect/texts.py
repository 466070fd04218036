"""Text on its way to people: without secrets and control characters, and of bounded length."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from meta_prefect.redaction import hidden, redacted

LONGEST_VALUE: Final = 200
"""How many characters of a value a message quotes."""

LONGEST_ERROR: Final = 1800
"""How many characters of a message there are at most."""

_LONGEST_LINE: Final = 600

_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0, DEL, C1, line separators, marks and overrides of the direction of writing, and halves of characters."""


def check_plain(name: str) -> str:
    """Check a name: of a project, flow, environment, deployment, pool, queue or schedule; a tag or a version.

    Raises:
        ValueError: It holds control characters, which could pass for other lines or commands of a terminal.
    """
    if _CONTROLS.search(name):
        raise ValueError(f"{quoted(name)} holds control characters, which a name may not")
    return name


def escaped(text: str, *, keep: str = "") -> str:
    r"""A text in one line, with its control characters written as ``\n`` or ``\u001b``, as in JSON.

    Args:
        text: The text.
        keep: Control characters that stay, such as line breaks.
    """
    return _CONTROLS.sub(lambda match: match[0] if match[0] in keep else json.dumps(match[0])[1:-1], text)


def presentable(text: str, *, longest: int | None = LONGEST_ERROR) -> str:
    """A text of several lines as people may see it: no secrets, no control characters, no endless quotations.

    Args:
        text: The text.
        longest: How many characters are left of the whole; None for any number. Lines are shortened all the same.
    """
    clean = escaped(redacted(text), keep="\n")
    lines = "\n".join(_abridged(line, _LONGEST_LINE) for line in clean.split("\n"))
    return lines if longest is None else _abridged(lines, longest)


def _abridged(text: str, longest: int) -> str:
    """Leave out the middle of a long text: what is said about a quotation stands before or after it."""
    if len(text) <= longest:
        return text
    head, tail = longest * 2 // 3, longest // 4
    return f"{text[:head]} … ({len(text) - head - tail:,} characters left out) … {text[-tail:]}"


def quoted(value: Any, *keys: str | int) -> str:
    """A value as a message quotes it: short, and without secrets.

    Args:
        value: The value.
        keys: The keys that lead to it.
    """
    return short(repr(hidden(value, *keys)))


def short(text: str) -> str:
    """A piece of a text that is not ours, in one line."""
    plain = escaped(text)
    return plain if len(plain) <= LONGEST_VALUE else f"{plain[: LONGEST_VALUE - 1]}…"


def shell(text: str) -> str:
    """A text as one word of a command that is to be typed."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def duration(seconds: float) -> str:
    """``2.1 s``, ``12 s``, ``3 min 5 s``, ``1 h 20 min``."""
    if 0 <= seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
