"""What else to know about deployments: each thing is said once, with the deployments that it concerns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from meta_prefect.plan.changes import DEPLOYMENT, Change, Unchanged, Update
from meta_prefect.plan.outcomes import listed


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to know.

    Attributes:
        text: What it is; names none of those that it concerns.
        about: The deployments, or the entries of the project file, that it concerns; none where the text says it all.
    """

    text: str
    about: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.text}: {listed(self.about)}" if self.about else self.text


def remarks_of(changes: Iterable[Change]) -> list[Remark]:
    """The remarks of several changes. What components say names itself."""
    return grouped(
        Remark(text, (change.subject.name,) if change.subject.kind == DEPLOYMENT else ())
        for change in changes
        for text in change.remarks
    )


def grouped(remarks: Iterable[Remark]) -> list[Remark]:
    """Say each text once, for all that it concerns."""
    found: dict[str, list[str]] = {}
    for remark in remarks:
        found.setdefault(remark.text, []).extend(remark.about)
    return [Remark(text, tuple(dict.fromkeys(about))) for text, about in found.items()]


def is_standing(change: Change) -> bool:
    """Whether what a change says of its deployment was said before: it stays as it is, but for a version that counts deploys."""
    stays = isinstance(change, Unchanged) or (isinstance(change, Update) and change.only_counts)
    return stays and change.subject.kind == DEPLOYMENT
