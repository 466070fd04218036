"""Commits that differ in no file of the project: what is live stays at the older one.

A commit is written wherever builders put it: in the pull steps of code from Git, in a version that is the commit, in tags. Were
each new one a change, every push to a repository would rewrite all deployments, and cost them their scheduled runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record

SameCode = Callable[[str], bool]
"""Whether the project's files at a commit are those that are deployed."""

_HASH: Final = r"([0-9a-f]{40}(?:[0-9a-f]{24})?)"


def with_live_commit(
    desired: Deployment, wanted: Record, live: Record, same_code: SameCode
) -> tuple[Record, str | None]:
    """Take the live commit for the one that is deployed, where they differ in no file of the project.

    Args:
        desired: The deployment as it is wanted.
        wanted: Its record; not changed.
        live: The live record.
        same_code: Tells whether another commit has the same files.

    Returns:
        The record, and the live commit that it is at; None where it is at the commit that is deployed.
    """
    commit = desired.context.commit
    if commit is None or desired.pins_each_commit or re.fullmatch(_HASH, commit) is None:
        return wanted, None
    kept = _Kept(commit, same_code)
    # A version that the deploy itself was given is meant as it is.
    own = {key: value for key, value in wanted.items() if key != "version" or desired.context.version is None}
    record = {**wanted, **{key: kept.value(value, live.get(key)) for key, value in own.items()}}
    return record, kept.commit


class _Kept:
    """Replaces a commit by the live one in all that mentions it.

    Args:
        commit: The commit that is deployed.
        same_code: Tells whether another commit has the same files.
    """

    def __init__(self, commit: str, same_code: SameCode) -> None:
        self._commit = commit
        self._same_code = same_code
        self.commit: str | None = None

    def value(self, wanted: Any, live: Any) -> Any:
        """A wanted value, at the live commit where nothing else differs."""
        match wanted, live:
            case str(), str():
                return self._text(wanted, live)
            case dict(), dict():
                there = cast("Record", live)
                return {key: self.value(one, there.get(key)) for key, one in cast("Record", wanted).items()}
            case list(), list():
                return [self._item(one, cast("list[Any]", live)) for one in cast("list[Any]", wanted)]
            case _:
                return wanted

    def _item(self, wanted: Any, live: list[Any]) -> Any:
        # By value, not by place: tags are sorted, and the commit is part of what they are sorted by.
        return next((one for one in live if self.value(wanted, one) == one), wanted)

    def _text(self, wanted: str, live: str) -> str:
        if self._commit not in wanted or wanted == live:
            return wanted
        found = re.fullmatch(re.escape(wanted).replace(self._commit, _HASH), live)
        if found is None or len(set(found.groups())) > 1 or not self._same_code(found[1]):
            return wanted
        self.commit = found[1]
        return live
