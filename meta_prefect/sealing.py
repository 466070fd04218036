"""Seals: replacements for secrets in records, which can be compared but not reversed.

A record stored on the server, such as a ledger page, contains ``(hidden 1f0c:93ab…)`` instead of a secret: the key's name and
64 bits of an HMAC-SHA256 of the secret. An unkeyed digest would not do: most secrets that people write down are short, and
anyone who sees the digest could try every likely word offline.

The key is the same for all hosts that deploy to a server, because a laptop compares with what CI has recorded; it is stored
by :mod:`meta_prefect.state.sealing_key`. If it cannot be read, or was a different one at the time, two secrets cannot be
compared and count as equal: a change that nobody can see is not drift.

Older records contain ``(hidden 3f2a)``, 16 bits of an unkeyed hash. They can still be compared, and the deployment's next
record is sealed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final, NamedTuple

HIDDEN: Final = "(hidden)"
"""What people see instead of a secret."""

MARK: Final = re.compile(r"\(hidden (?:\?|[0-9a-f]{4}|(?P<key>[0-9a-f]{4}):[0-9a-f]{16})\)")
"""The seal in a record; with a question mark if there was no key."""

_KEY: Final = re.compile(r"[0-9a-f]{64}")


class _Key(NamedTuple):
    name: str
    secret: bytes


_keys: list[_Key] = []
"""The key of the server that this process talks to; None until it is known."""


def use_key(text: object) -> bool:
    """Use a key for sealing from now on.

    Args:
        text: 64 hexadecimal digits. Anything else, such as the asterisks shown for a block's secret, is not a key.

    Returns:
        Whether it is a valid key.
    """
    _keys.clear()
    if not isinstance(text, str) or not _KEY.fullmatch(text):
        return False
    secret = bytes.fromhex(text)
    _keys.append(_Key(hashlib.sha256(secret).hexdigest()[:4], secret))
    return True


def has_key() -> bool:
    """Return whether there is a key, so that secrets can be distinguished."""
    return bool(_keys)


def key_name() -> str | None:
    """Return the name of the key, which reveals nothing about it; None without a key."""
    return _keys[0].name if _keys else None


def seal(secret: str) -> str:
    """Return the seal of a secret."""
    if not _keys:
        return "(hidden ?)"
    (key,) = _keys
    return f"(hidden {key.name}:{hmac.digest(key.secret, _bytes(secret), 'sha256').hex()[:16]})"


def without_seals(text: str) -> str:
    """Replace the seals in a recorded text by what people see."""
    return MARK.sub(HIDDEN, text) if "(hidden" in text else text


def may_be(secret: str, recorded: str, sealed: str) -> bool:
    """Return whether a secret may be the one that was recorded.

    Args:
        secret: The complete text that contains the secret.
        recorded: The text in the record.
        sealed: How the secret would be recorded now.
    """
    mark = MARK.search(recorded)
    if mark is None or without_seals(recorded) != without_seals(sealed):
        return False
    if mark["key"] is not None:
        return recorded == sealed or mark["key"] != key_name()
    return mark[0] == "(hidden ?)" or mark[0] == f"(hidden {hashlib.sha256(_bytes(secret)).hexdigest()[:4]})"


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
