"""What deploys have made for deployments, and no deployment wants any more: it leaves with the deploy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from meta_prefect.interfaces.components import ComponentKey, Owned
from meta_prefect.plan.changes import Delete, Planned, Subject
from meta_prefect.plan.outcomes import listed


@dataclass(frozen=True, slots=True)
class Users:
    """What becomes of the deployments that something may be there for.

    Attributes:
        decided: Those that a deploy writes, leaves as they are, or deletes, each with the ``flow/deployment`` whose outcome
            tells whether that went well. The keys are names as ``flow/deployment``, and ids.
        gone: Those that are not there any more, by name.
        is_whole: Whether the plan is of the whole project, so that what nobody uses is known not to be wanted.
    """

    decided: Mapping[str, str]
    gone: Collection[str] = ()
    is_whole: bool = False


@dataclass(eq=False)
class PlannedRemoval(Planned[None, Owned, Delete]):
    """Something that is there and leaves.

    Attributes:
        awaits: The deployments that must have been deployed, or deleted, before.
    """

    awaits: frozenset[str]


def leaving_of(
    made: Iterable[Owned], claimed: Collection[str], wanted: Collection[ComponentKey], users: Users
) -> list[PlannedRemoval]:
    """Find what leaves.

    Args:
        made: What deploys have made.
        claimed: The ids of what the components of this deploy are.
        wanted: The keys of what deployments go on using without asking for it.
        users: What becomes of the deployments.
    """
    found: list[PlannedRemoval] = []
    for one in made:
        if one.id in claimed or one.key in wanted:
            continue
        if not one.users and users.is_whole:
            found.append(_removal(one, frozenset(), "no deployment uses it"))
        elif one.users and all(user in users.decided or user in users.gone for user in one.users):
            awaits = frozenset(users.decided[user] for user in one.users if user in users.decided)
            gone = listed(sorted(user for user in one.users if user in users.gone))
            reason = f"no longer wanted by {listed(sorted(awaits))}" if awaits else f"{gone} is gone"
            found.append(_removal(one, awaits, reason))
    return found


def _removal(owned: Owned, awaits: frozenset[str], reason: str) -> PlannedRemoval:
    return PlannedRemoval(None, owned, Delete(Subject(*owned.key), owned.record, reason=reason), awaits)
