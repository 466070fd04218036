"""Remarks about deployments, grouped so that each text appears once with the deployments it is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from meta_prefect.plan.changes import DEPLOYMENT, Change, Unchanged, Update
from meta_prefect.plan.outcomes import listed


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark for the user.

    Attributes:
        text: The text, without names of deployments.
        about: The deployments, or entries of the project file, that it is about; empty if the text is self-contained.
    """

    text: str
    about: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.text}: {listed(self.about)}" if self.about else self.text


def remarks_of(changes: Iterable[Change]) -> list[Remark]:
    """Return the remarks of several changes. Those of components name the component themselves."""
    return grouped(
        Remark(text, (change.subject.name,) if change.subject.kind == DEPLOYMENT else ())
        for change in changes
        for text in change.remarks
    )


def grouped(remarks: Iterable[Remark]) -> list[Remark]:
    """Merge remarks with the same text."""
    found: dict[str, list[str]] = {}
    for remark in remarks:
        found.setdefault(remark.text, []).extend(remark.about)
    return [Remark(text, tuple(dict.fromkeys(about))) for text, about in found.items()]


def was_shown_before(change: Change) -> bool:
    """Return whether a change's remarks were shown before: the deployment is unchanged, apart from a counted version."""
    stays = isinstance(change, Unchanged) or (isinstance(change, Update) and change.only_counts)
    return stays and change.subject.kind == DEPLOYMENT
