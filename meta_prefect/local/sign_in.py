"""Passwordless sign-in for the owner's browser: the protocol between the command line and the server.

Both know the API auth string, and neither sends it. A ticket is the time and a random nonce, with their HMAC keyed by the
auth string. It is valid once, for a minute, on the server of one port, and only if that server was already running when the
ticket was made. The server proves its identity the same way before anything is sent to it.
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
"""How long a ticket is valid, in seconds."""

_CLOCK_STEP: Final = 2.0  # seconds the clock may step back between making a ticket and using it


def make_ticket(auth_string: str, port: int, *, now: float | None = None) -> str:
    """Make a ticket.

    Args:
        auth_string: The server's API auth string.
        port: The port the server listens on.
        now: The time, in seconds since the epoch; defaults to the current time.
    """
    # Full precision: rounded down, a ticket made in the server's first moment would predate the server.
    made = f"{time.time() if now is None else now!r}~{secrets.token_urlsafe(16)}"
    return f"{made}~{_sign(auth_string, 'ticket', port, made)}"


def prove(auth_string: str, port: int, challenge: str) -> str:
    """Answer a challenge, which only the server on this port that knows the auth string can do."""
    return _sign(auth_string, "identity", port, challenge)


class Tickets:
    """Validates tickets on the server's side and remembers the spent ones.

    Args:
        auth_string: The server's API auth string.
        port: The port it listens on.
        since: When the server started; older tickets are rejected, because it may be unknown whether they were spent.
            Defaults to now.
    """

    def __init__(self, auth_string: str, port: int, *, since: float | None = None) -> None:
        self._auth_string, self._port = auth_string, port
        self._since = time.time() if since is None else since
        self._spent: dict[str, float] = {}

    def spend(self, ticket: str, *, now: float | None = None) -> bool:
        """Return whether a ticket is valid, and mark it as spent.

        Args:
            ticket: The ticket sent by a browser.
            now: The time, in seconds since the epoch; defaults to the current time.
        """
        moment = time.time() if now is None else now
        made, _, signature = ticket.rpartition("~")
        if not hmac.compare_digest(signature.encode(), _sign(self._auth_string, "ticket", self._port, made).encode()):
            return False
        at = float(made.partition("~")[0])  # trusted: the signature was verified
        if at < self._since or not -_CLOCK_STEP <= moment - at <= LIFETIME or made in self._spent:
            return False
        self._spent = {old: when for old, when in self._spent.items() if moment - when <= LIFETIME} | {made: at}
        return True


def _sign(auth_string: str, purpose: str, port: int, text: str) -> str:
    message = f"meta-prefect {purpose}\n{port}\n{text}"
    return hmac.new(auth_string.encode(), message.encode(errors="replace"), hashlib.sha256).hexdigest()
