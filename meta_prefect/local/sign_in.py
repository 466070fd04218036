"""Letting the owner's browser in without a password to type: what the command line and the server agree on.

Both know the API auth string, and neither sends it to prove that. A ticket is the time and a random number with their HMAC under
that string. It lets a browser in once, within a minute, at the server of one port that has run since before it was made. The same
way a server proves that it is the one of this PREFECT_HOME, before anything is sent to it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Final

PATH: Final = "/meta-prefect/open"
IDENTITY_PATH: Final = "/meta-prefect/identity"
LIFETIME: Final = 60.0
"""How long a ticket can be used, in seconds."""

_CLOCK_STEP: Final = 2.0  # how far a clock may be set back between making a ticket and using it


def make_ticket(auth_string: str, port: int, *, now: float | None = None) -> str:
    """Make a ticket.

    Args:
        auth_string: The server's API auth string.
        port: Where the server listens.
        now: The time, in seconds since the epoch; by default the present one.
    """
    # To the last digit: rounded down, a ticket of the server's first moment would be older than the server.
    made = f"{time.time() if now is None else now!r}~{secrets.token_urlsafe(16)}"
    return f"{made}~{_sign(auth_string, 'ticket', port, made)}"


def prove(auth_string: str, port: int, challenge: str) -> str:
    """Answer a challenge as only the server can that listens on this port and knows the auth string."""
    return _sign(auth_string, "identity", port, challenge)


class Tickets:
    """What the server knows of the tickets that were made for it.

    Args:
        auth_string: Its API auth string.
        port: Where it listens.
        since: Since when it runs; tickets of before are refused, because those spent then are not known. By default since now.
    """

    def __init__(self, auth_string: str, port: int, *, since: float | None = None) -> None:
        self._auth_string, self._port = auth_string, port
        self._since = time.time() if since is None else since
        self._spent: dict[str, float] = {}

    def spend(self, ticket: str, *, now: float | None = None) -> bool:
        """Say whether a ticket is valid, which it is once.

        Args:
            ticket: What a browser has brought.
            now: The time, in seconds since the epoch; by default the present one.
        """
        moment = time.time() if now is None else now
        made, _, signature = ticket.rpartition("~")
        if not hmac.compare_digest(signature.encode(), _sign(self._auth_string, "ticket", self._port, made).encode()):
            return False
        at = float(made.partition("~")[0])  # signed, so ours
        if at < self._since or not -_CLOCK_STEP <= moment - at <= LIFETIME or made in self._spent:
            return False
        self._spent = {old: when for old, when in self._spent.items() if moment - when <= LIFETIME} | {made: at}
        return True


def _sign(auth_string: str, purpose: str, port: int, text: str) -> str:
    message = f"meta-prefect {purpose}\n{port}\n{text}"
    return hmac.new(auth_string.encode(), message.encode(errors="replace"), hashlib.sha256).hexdigest()
