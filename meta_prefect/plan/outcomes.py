"""The words for what happens to a deployment, and how they are counted; all output uses these.

Planned actions have their own words, so that a dry run's report cannot be mistaken for a deploy's.
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
"""What happened or, starting with ``to …``, what a deploy would do.

``next version`` if a plan would write only the next counted version; ``held`` if the deployment is on hold; ``put back`` if
another deployment failed and the deploy was atomic; ``not written`` if a deploy did not get to it.
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
"""How many names to list before counting the rest."""


def planned_action(change: Change) -> Action:
    """Return what a deploy would do."""
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
    """Return what a deploy has done once a change is written."""
    return _DONE[planned_action(change)]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 deployment``, ``2 deployments``."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def count_actions(actions: Iterable[str]) -> str:
    """For example ``1 created, 2 unchanged``, in the order of :data:`ACTIONS`; empty if there are none."""
    counts = Counter(actions)
    known = [action for action in ACTIONS if action in counts]
    return ", ".join(f"{counts[action]} {action}" for action in (*known, *(one for one in counts if one not in known)))


def listed(names: Iterable[str], most: int = NAMED) -> str:
    """List the first names and the number of others: ``a, b, c and 9 more``."""
    several = list(dict.fromkeys(names))
    # Listing one more takes no more room than "and 1 more".
    most = most + 1 if len(several) == most + 1 else most
    more = f" and {len(several) - most} more" if len(several) > most else ""
    return f"{', '.join(several[:most])}{more}"
