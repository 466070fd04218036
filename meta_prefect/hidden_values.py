"""Values of which secrets are hidden: which those are, and how to fill them in again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final, cast

from meta_prefect.redaction import hidden, sealed
from meta_prefect.sealing import HIDDEN, MARK, may_be

_BLOCK: Final = re.compile(r"\{\{\s*prefect\.blocks\.")
_SHOWN: Final = re.compile(rf"{MARK.pattern}|^\(hidden\)$|\(hidden\)@|[:=/'\"]\(hidden\)")
"""Where something is hidden in a text; ``(hidden)`` among other words may be anybody's own."""


def is_hidden(value: object) -> bool:
    """Whether something is hidden in a value."""
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
    """The places of what is hidden of a value, keys joined by dots.

    Args:
        value: The value.
        keys: The keys that lead to it.
    """
    return [place for place, _, _ in _hidden_parts(value, hidden(value, *keys), "")]


def secret_values(value: Any, *keys: str | int) -> list[str]:
    """The texts that are hidden of a value as a whole.

    Args:
        value: The value.
        keys: The keys that lead to it.
    """
    parts = _hidden_parts(value, hidden(value, *keys), "")
    return [secret for _, secret, shown in parts if isinstance(secret, str) and shown == HIDDEN]


def _hidden_parts(value: Any, shown: Any, path: str) -> Iterator[tuple[str, Any, str]]:
    """The place, the value and the shown form of each part that is hidden."""
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
    """The live texts that stand where a stored value has a hidden one: they are secrets, whatever their keys are called.

    Args:
        stored: A value of which secrets are hidden; None where nothing is stored.
        live: The live value of the same place.
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
    """The live texts in whose place a block's reference or another secret is wanted: they are secrets, whatever they are called.

    Prefect's own deploy resolves such references, and stores what they stand for.

    Args:
        live: A live value.
        wanted: The value of the same place that is wanted.
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
    """A live value as it is recorded; where it may be what was recorded, with the very words of the record.

    Args:
        live: A live value.
        stored: The value of the same place of a record.
        keys: The keys that lead to it.
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
    """Fill in what is hidden of a stored value from the live one, as a hidden value itself is kept nowhere.

    Args:
        stored: A value of which secrets are hidden.
        live: The live value of the same place; None where there is none.
        path: Its place.

    Returns:
        The value, and the places at which the live one is not what was stored: there it stays as it is, or is left out where
        there is none.
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
