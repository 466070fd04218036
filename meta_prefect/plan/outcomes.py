"""The words for what becomes of a deployment, and how they are counted: everything that a user reads takes them from here.

What is only planned has words of its own, so that no report of a dry run can be taken for one of a deploy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Literal, assert_never, get_args

from meta_prefect.plan.changes import Change, Create, Delete, Held, Unchanged, Update, is_next_version

Action = Literal[
    "created",
    "to create",
    "updated",
    "to update",
    "deleted",
    "to delete",
    "next version",
    "unchanged",
    "put back",
    "not written",
    "held",
    "failed",
]
"""What happened, or with ``to …`` what a deploy would do.

``next version`` where a plan would write nothing but a version that counts deploys; ``held`` where it is to be left alone;
``put back`` where another deployment failed and the deploy was all or nothing; ``not written`` where a deploy did not get to it.
"""

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
"""In the order in which they are counted."""

_DONE: Final[Mapping[Action, Action]] = {
    **{action: action for action in ACTIONS},
    "to create": "created",
    "to update": "updated",
    "next version": "updated",
    "to delete": "deleted",
}

NAMED: Final = 3
"""How many names are listed; the rest are counted."""


def planned_action(change: Change) -> Action:
    """What a deploy would do."""
    match change:
        case Create():
            return "to create"
        case Update():
            return "next version" if is_next_version(change) else "to update"
        case Delete():
            return "to delete"
        case Held():
            return "held"
        case Unchanged():
            return "unchanged"
        case _:
            assert_never(change)


def count_planned(changes: Iterable[Change]) -> str:
    """``2 to create, 1 to update, 3 unchanged``."""
    return count_actions(map(planned_action, changes)) or "nothing"


def done_action(change: Change) -> Action:
    """What a deploy has done once a change is written."""
    return _DONE[planned_action(change)]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 deployment``, ``2 deployments``."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def count_actions(actions: Iterable[str]) -> str:
    """``1 created, 2 unchanged``, in the order of :data:`ACTIONS`; empty for nothing."""
    counts = Counter(actions)
    known = [action for action in ACTIONS if action in counts]
    return ", ".join(f"{counts[action]} {action}" for action in (*known, *(one for one in counts if one not in known)))


def listed(names: Iterable[str], most: int = NAMED) -> str:
    """The first names, and how many more there are: ``a, b, c and 9 more``."""
    several = list(dict.fromkeys(names))
    # One more takes no more room than saying so.
    most = most + 1 if len(several) == most + 1 else most
    more = f" and {len(several) - most} more" if len(several) > most else ""
    return f"{', '.join(several[:most])}{more}"
