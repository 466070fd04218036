"""Prepares text for display: no secrets, no control characters, limited length."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from meta_prefect.redaction import hidden, redacted

MAX_VALUE_LENGTH: Final = 200
"""Maximum length of a value quoted in a message."""

LONGEST_ERROR: Final = 1800
"""Maximum length of a message."""

_MAX_LINE_LENGTH: Final = 600

_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0, DEL, C1, line separators, bidirectional marks and overrides, and surrogates."""


def check_plain(name: str) -> str:
    """Validate a name of a project, flow, environment, deployment, pool, queue or schedule, or a tag or a version.

    Raises:
        ValueError: It contains control characters, which could pass for other lines or terminal commands.
    """
    if _CONTROLS.search(name):
        raise ValueError(f"{quoted(name)} holds control characters, which a name may not")
    return name


def escaped(text: str, *, keep: str = "") -> str:
    r"""Escape control characters in a text as ``\n`` or ``\u001b``, as in JSON, so that it fits on one line.

    Args:
        text: The text.
        keep: Control characters to leave as they are, such as line breaks.
    """
    return _CONTROLS.sub(lambda match: match[0] if match[0] in keep else json.dumps(match[0])[1:-1], text)


def presentable(text: str, *, longest: int | None = LONGEST_ERROR) -> str:
    """Prepare a multi-line text for display: no secrets, no control characters, no endless quotations.

    Args:
        text: The text.
        longest: The maximum total length; None for no limit. Long lines are shortened in any case.
    """
    clean = escaped(redacted(text), keep="\n")
    lines = "\n".join(_abridged(line, _MAX_LINE_LENGTH) for line in clean.split("\n"))
    return lines if longest is None else _abridged(lines, longest)


def _abridged(text: str, longest: int) -> str:
    """Omit the middle of a long text, since the explanation of a quotation comes before or after it."""
    if len(text) <= longest:
        return text
    head, tail = longest * 2 // 3, longest // 4
    return f"{text[:head]} … ({len(text) - head - tail:,} characters left out) … {text[-tail:]}"


def quoted(value: Any, *keys: str | int) -> str:
    """Format a value for quoting in a message: short and without secrets.

    Args:
        value: The value.
        keys: The path of the value.
    """
    return short(repr(hidden(value, *keys)))


def short(text: str) -> str:
    """Shorten a foreign text to one line."""
    plain = escaped(text)
    return plain if len(plain) <= MAX_VALUE_LENGTH else f"{plain[: MAX_VALUE_LENGTH - 1]}…"


def shell(text: str) -> str:
    """Quote a text as one word of a shell command."""
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
