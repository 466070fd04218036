"""What stands in records in place of a secret, so that a later one can be told from it and nobody can find it out.

A record that is kept on the server, such as a page of the ledger, holds ``(hidden 1f0c:93ab…)`` instead of a secret: the key's
name and 64 bits of an HMAC-SHA256 of the secret. An unkeyed digest would not do. Most secrets that people write down are short,
and whoever sees the digest of one tries every likely word against it at home.

The key is the same for all hosts that deploy to a server, since a laptop compares with what CI has recorded; see
:mod:`meta_prefect.state.sealing_key`, which keeps it. Where it cannot be read, or was another one then, two secrets cannot be
compared, and count as equal: a change that nobody has seen is no drift.

Older records hold ``(hidden 3f2a)``, 16 bits of an unkeyed hash. Those still compare, and the next record of the deployment is
sealed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final, NamedTuple

HIDDEN: Final = "(hidden)"
"""What people see in place of a secret."""

MARK: Final = re.compile(r"\(hidden (?:\?|[0-9a-f]{4}|(?P<key>[0-9a-f]{4}):[0-9a-f]{16})\)")
"""What stands in a record in place of a secret; a question mark where there was no key."""

_KEY: Final = re.compile(r"[0-9a-f]{64}")


class _Key(NamedTuple):
    name: str
    secret: bytes


_keys: list[_Key] = []
"""The key of the server that this process talks to; none as long as that is not known."""


def use_key(text: object) -> bool:
    """Seal with a key from now on.

    Args:
        text: 64 hexadecimal digits. Anything else, such as the stars that stand for a block's secret, is no key.

    Returns:
        Whether it is one.
    """
    _keys.clear()
    if not isinstance(text, str) or not _KEY.fullmatch(text):
        return False
    secret = bytes.fromhex(text)
    _keys.append(_Key(hashlib.sha256(secret).hexdigest()[:4], secret))
    return True


def has_key() -> bool:
    """Whether secrets can be told from each other."""
    return bool(_keys)


def key_name() -> str | None:
    """The name of the key, which tells nothing of it; None where there is none."""
    return _keys[0].name if _keys else None


def seal(secret: str) -> str:
    """What stands in a record in place of a secret."""
    if not _keys:
        return "(hidden ?)"
    (key,) = _keys
    return f"(hidden {key.name}:{hmac.digest(key.secret, _bytes(secret), 'sha256').hex()[:16]})"


def without_seals(text: str) -> str:
    """A text of a record as people see it."""
    return MARK.sub(HIDDEN, text) if "(hidden" in text else text


def may_be(secret: str, recorded: str, sealed: str) -> bool:
    """Whether a secret may be the one that a record was made of.

    Args:
        secret: The whole text that holds the secret.
        recorded: The text of the record.
        sealed: What would be recorded of the secret now.
    """
    mark = MARK.search(recorded)
    if mark is None or without_seals(recorded) != without_seals(sealed):
        return False
    if mark["key"] is not None:
        return recorded == sealed or mark["key"] != key_name()
    return mark[0] == "(hidden ?)" or mark[0] == f"(hidden {hashlib.sha256(_bytes(secret)).hexdigest()[:4]})"


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
