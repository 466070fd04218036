"""Objects that deploys created for deployments and that no deployment needs any more: they are removed by the deploy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from meta_prefect.interfaces.components import ComponentKey, Owned
from meta_prefect.plan.changes import Delete, Planned, Subject
from meta_prefect.plan.outcomes import listed


@dataclass(frozen=True, slots=True)
class Users:
    """What happens to the deployments that use an object.

    Attributes:
        decided: Deployments that a deploy writes, leaves unchanged or deletes, each with the ``flow/deployment`` whose
            outcome tells whether that succeeded. The keys are names as ``flow/deployment``, and ids.
        gone: The names of deployments that no longer exist.
        is_whole: Whether the plan covers the whole project, so that unused objects are known to be unneeded.
    """

    decided: Mapping[str, str]
    gone: Collection[str] = ()
    is_whole: bool = False


@dataclass(eq=False)
class PlannedRemoval(Planned[None, Owned, Delete]):
    """An object that is to be removed.

    Attributes:
        awaits: The deployments that must be deployed or deleted first.
    """

    awaits: frozenset[str]


def leaving_of(
    made: Iterable[Owned], claimed: Collection[str], wanted: Collection[ComponentKey], users: Users
) -> list[PlannedRemoval]:
    """Find the objects to remove.

    Args:
        made: The objects created by deploys.
        claimed: The ids of objects managed by this deploy's components.
        wanted: The keys of objects that deployments keep using without requiring them.
        users: What happens to the deployments.
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
