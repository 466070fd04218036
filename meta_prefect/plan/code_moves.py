"""Detects deployments whose code moves between a shared source and a local folder, or between two folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.changes import ALREADY, Change, Plan, Unchanged, Update

_CLONE: Final = "prefect.deployments.steps.git_clone"
_FOLDER: Final = "prefect.deployments.steps.set_working_directory"


@dataclass(frozen=True, slots=True)
class CodePlace:
    """Where runs get their code from.

    Attributes:
        text: A description of the place.
        is_shared: Whether all hosts can reach it.
        commit: The commit, if it is a Git repository.
    """

    text: str
    is_shared: bool
    commit: str | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class CodeMove:
    """The move of one deployment's code."""

    deployment: str
    before: CodePlace
    after: CodePlace

    @property
    def leaves_shared(self) -> bool:
        """Whether it moves to a folder on one host, from a place that all hosts could reach."""
        return self.before.is_shared and not self.after.is_shared


def place_of(record: Record) -> CodePlace | None:
    """Return where a deployment's runs get their code from; None if its pull steps do not tell."""
    steps: list[Record] = record.get("pull_steps") or []
    variables: Record = record.get("job_variables") or {}
    name, inputs = next(iter(steps[0].items())) if steps and steps[0] else ("", None)
    given: Record = cast("Record", inputs) if isinstance(inputs, dict) else {}
    if name == _CLONE:
        commit: Any = given.get("commit_sha")
        at = f" @{short_commit(commit)}" if isinstance(commit, str) else f" @{given.get('branch') or 'HEAD'}"
        return CodePlace(f"{given.get('repository')}{at}", True, commit if isinstance(commit, str) else None)
    if ".pull_from_s3" in name or ".pull_from_gcs" in name or ".pull_from_azure" in name:
        return CodePlace(f"{given.get('bucket') or given.get('container')}/{given.get('folder') or ''}", True)
    if variables.get("image"):
        return CodePlace(f"the image {variables['image']}", True)
    directory: Any = given.get("directory")
    if name == _FOLDER and isinstance(directory, str) and directory.startswith("/"):
        return CodePlace(f"the folder {directory}", False)
    return None


def move_of(change: Change) -> CodeMove | None:
    """Return the move of a deployment's code to or from a local folder; None if there is none."""
    if not isinstance(change, Update):
        return None
    before, after = place_of(change.before), place_of(change.after)
    if before is None or after is None or before == after or (before.is_shared and after.is_shared):
        return None
    return CodeMove(change.subject.name, before, after)


def moves_of(plan: Plan) -> tuple[CodeMove, ...]:
    """Return all moves in a plan."""
    return tuple(move for change in plan.deployments if (move := move_of(change)) is not None)


def without_move(change: Change) -> Change:
    """Return a change as it would be if the code stayed where it is."""
    if not isinstance(change, Update):
        return change
    fields = tuple(field for field in change.fields if field.path.partition(".")[0] != "pull_steps")
    after = {**change.after, "pull_steps": change.before["pull_steps"]}
    if fields:
        return replace(change, fields=fields, after=after)
    return Unchanged(change.subject, ALREADY, change.before, change.remarks, change.kept)


def refused(moves: tuple[CodeMove, ...], host: str) -> ConflictError | None:
    """Return the error for code of a deployer's project that would move to a local folder; None if there is no such move.

    Args:
        moves: The moves of a plan, for a project with a deployer.
        host: The host that runs the deploy.
    """
    to_folder = tuple(move for move in moves if move.leaves_shared)
    if not to_folder:
        return None
    return ConflictError(
        f"{'; '.join(in_words(to_folder, host))}, and this project has a deployer in Prefect; nothing was written",
        where=f"deployment {to_folder[0].deployment}",
        hint="Let the deployer deploy it: --remote. If the code is to run from this folder: --local-code.",
    )


def in_words(moves: tuple[CodeMove, ...], host: str) -> Iterator[str]:
    """Yield a sentence for all deployments with the same move.

    Args:
        moves: The moves.
        host: The host that runs the deploy, with the folder.
    """
    alike: dict[tuple[str, str], int] = {}
    for move in moves:
        ends = (str(move.before), str(move.after))
        alike[ends] = alike.get(ends, 0) + 1
    for (before, after), count in alike.items():
        of_host = f" of host {host}" if after.startswith("the folder ") else ""
        yield f"code moves from {before} to {after}{of_host} for {count} deployment{'' if count == 1 else 's'}"
