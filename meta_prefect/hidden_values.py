"""Values with masked secrets: which parts are masked, and how to restore them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final, cast

from meta_prefect.redaction import hidden, sealed
from meta_prefect.sealing import HIDDEN, MARK, may_be

_BLOCK: Final = re.compile(r"\{\{\s*prefect\.blocks\.")
_SHOWN: Final = re.compile(rf"{MARK.pattern}|^\(hidden\)$|\(hidden\)@|[:=/'\"]\(hidden\)")
"""The mask in a text; ``(hidden)`` among other words may be the user's own."""


def is_hidden(value: object) -> bool:
    """Return whether a value has a masked part."""
    match value:
        case str():
            return _SHOWN.search(value) is not None
        case Mapping():
            return any(map(is_hidden, cast("Mapping[Any, Any]", value).values()))
        case list() | tuple():
            return any(map(is_hidden, cast("Sequence[Any]", value)))
        case _:
            return False


def secrets_in(value: Any, *keys: str | int) -> list[str]:
    """Return the paths of the masked parts of a value, keys joined by dots.

    Args:
        value: The value.
        keys: The path of the value.
    """
    return [place for place, _, _ in _hidden_parts(value, hidden(value, *keys), "")]


def secret_values(value: Any, *keys: str | int) -> list[str]:
    """Return the texts in a value that are masked as a whole.

    Args:
        value: The value.
        keys: The path of the value.
    """
    parts = _hidden_parts(value, hidden(value, *keys), "")
    return [secret for _, secret, shown in parts if isinstance(secret, str) and shown == HIDDEN]


def _hidden_parts(value: Any, shown: Any, path: str) -> Iterator[tuple[str, Any, str]]:
    """Yield the path, the value and the masked form of each masked part."""
    match value:
        case Mapping():
            for key, inner in cast("Mapping[Any, Any]", value).items():
                yield from _hidden_parts(inner, shown[key], f"{path}.{key}" if path else str(key))
        case list() | tuple():
            for index, inner in enumerate(cast("Sequence[Any]", value)):
                yield from _hidden_parts(inner, shown[index], f"{path}[{index}]")
        case _ if value != shown:
            yield path, value, shown
        case _:
            pass


def known_by(stored: Any, live: Any) -> Iterator[str]:
    """Yield the live texts that are masked in the stored value: they are secrets, whatever their keys are called.

    Args:
        stored: A value with masked secrets; None if nothing is stored.
        live: The live value at the same path.
    """
    match stored, live:
        case str(), str() if MARK.fullmatch(stored) and not is_hidden(live):
            yield live
        case Mapping(), Mapping():
            there = cast("Mapping[str, Any]", live)
            for key, inner in cast("Mapping[str, Any]", stored).items():
                yield from known_by(inner, there.get(key))
        case list(), list():
            for one, other in zip(cast("list[Any]", stored), cast("list[Any]", live), strict=False):
                yield from known_by(one, other)
        case _:
            pass


def replaced_by_references(live: Any, wanted: Any) -> Iterator[str]:
    """Yield the live texts to be replaced by a block reference or another secret: they are secrets, whatever their keys.

    Prefect's own deploy resolves such references and stores the result.

    Args:
        live: A live value.
        wanted: The desired value at the same path.
    """
    match live, wanted:
        case str(), str() if live != wanted and live and (_BLOCK.search(wanted) or hidden(wanted) == HIDDEN):
            if not _BLOCK.search(live):
                yield live
        case Mapping(), Mapping():
            here = cast("Mapping[str, Any]", live)
            for key, inner in cast("Mapping[str, Any]", wanted).items():
                yield from replaced_by_references(here.get(key), inner)
        case list(), list():
            for one, other in zip(cast("list[Any]", live), cast("list[Any]", wanted), strict=False):
                yield from replaced_by_references(one, other)
        case _:
            pass


def sealed_as(live: Any, stored: Any, *keys: str | int) -> Any:
    """Return a live value in its recorded form; parts that may equal the recorded ones keep the record's text.

    Args:
        live: A live value.
        stored: The recorded value at the same path.
        keys: The path of the value.
    """
    return _sealed_as(live, sealed(live, *keys), stored)


def _sealed_as(live: Any, now: Any, stored: Any) -> Any:
    match now, stored:
        case Mapping(), Mapping():
            found, recorded = cast("Mapping[Any, Any]", now), cast("Mapping[Any, Any]", stored)
            return {
                key: _sealed_as(live[key], inner, recorded[key]) if key in recorded else inner
                for key, inner in found.items()
            }
        case list(), list():
            one, other = cast("list[Any]", now), cast("list[Any]", stored)
            alike = [_sealed_as(*three) for three in zip(live, one, other, strict=False)]
            return alike + one[len(alike) :]
        case str(), str() if may_be(str(live), stored, now):
            return stored
        case _:
            return now


def restored(stored: Any, live: Any, path: str = "") -> tuple[Any, list[str]]:
    """Restore the masked parts of a stored value from the live one; the secrets themselves are stored nowhere.

    Args:
        stored: A value with masked secrets.
        live: The live value at the same path; None if there is none.
        path: The path.

    Returns:
        The value, and the paths at which the live value is not the stored one: those keep the live value, or are omitted
        without one.
    """
    keys = [part for part in path.split(".") if part]
    if not is_hidden(stored):
        return stored, []
    match stored:
        case Mapping():
            made: dict[str, Any] = {}
            lost: list[str] = []
            there = cast("Mapping[str, Any]", live if isinstance(live, Mapping) else {})
            for key, inner in cast("Mapping[str, Any]", stored).items():
                value, missed = restored(inner, there.get(key), f"{path}.{key}" if path else key)
                lost += missed
                if not is_hidden(value):
                    made[key] = value
            return made, lost
        case list():
            beside = cast("list[Any]", live if isinstance(live, list) else [])
            pairs = zip_longest(cast("list[Any]", stored), beside[: len(cast("list[Any]", stored))])
            parts = [restored(one, other, f"{path}.{index}") for index, (one, other) in enumerate(pairs)]
            found = [value for value, _ in parts if not is_hidden(value)]
            return found, [place for _, missed in parts for place in missed]
        case _ if live is None:
            return stored, [path]
        case _:
            return live, [] if sealed_as(live, stored, *keys) == stored else [path]
