"""Commits without changes to the project's files, for which deployments stay at their older live commit.

A commit appears wherever builders put it: in the pull steps of code from Git, in a version that is the commit, in tags. If
each new one counted as a change, every push to a repository would rewrite all deployments and delete their scheduled runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast

from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record

SameCode = Callable[[str], bool]
"""Returns whether the project's files at a commit are the same as the deployed ones."""

_HASH: Final = r"([0-9a-f]{40}(?:[0-9a-f]{24})?)"


def with_live_commit(
    desired: Deployment, wanted: Record, live: Record, same_code: SameCode
) -> tuple[Record, str | None]:
    """Replace the deployed commit by the live one if no file of the project differs between them.

    Args:
        desired: The desired deployment.
        wanted: Its record; not modified.
        live: The live record.
        same_code: Returns whether another commit has the same files.

    Returns:
        The record, and the live commit it keeps; None if it gets the deployed commit.
    """
    commit = desired.context.commit
    if commit is None or desired.pins_each_commit or re.fullmatch(_HASH, commit) is None:
        return wanted, None
    kept = _Kept(commit, same_code)
    # A version given to the deploy itself is used literally.
    own = {key: value for key, value in wanted.items() if key != "version" or desired.context.version is None}
    record = {**wanted, **{key: kept.value(value, live.get(key)) for key, value in own.items()}}
    return record, kept.commit


class _Kept:
    """Replaces a commit by the live one wherever it occurs.

    Args:
        commit: The deployed commit.
        same_code: Returns whether another commit has the same files.
    """

    def __init__(self, commit: str, same_code: SameCode) -> None:
        self._commit = commit
        self._same_code = same_code
        self.commit: str | None = None

    def value(self, wanted: Any, live: Any) -> Any:
        """Return a desired value with the live commit if nothing else differs."""
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
        # By value rather than index: tags are sorted, and the commit affects their order.
        return next((one for one in live if self.value(wanted, one) == one), wanted)

    def _text(self, wanted: str, live: str) -> str:
        if self._commit not in wanted or wanted == live:
            return wanted
        found = re.fullmatch(re.escape(wanted).replace(self._commit, _HASH), live)
        if found is None or len(set(found.groups())) > 1 or not self._same_code(found[1]):
            return wanted
        self.commit = found[1]
        return live
