"""Computes the changes that restore an earlier state of a deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, cast
from urllib.parse import urlsplit

from meta_prefect.errors import ConfigurationError, ConflictError
from meta_prefect.hidden_values import restored
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.deployment import Allowed
from meta_prefect.interfaces.json_diff import ABSENT, Record, differences_within
from meta_prefect.interfaces.tags import Names, environment_tag, owner, with_present_name
from meta_prefect.plan.changes import DEPLOYMENT, Create, Subject, Unchanged, Update
from meta_prefect.plan.deployment_record import LiveDeployment, field_changes
from meta_prefect.plan.ledger import HistoryEntry, LedgerEntry
from meta_prefect.plan.rollback_merge import merge_restored
from meta_prefect.plan.schedule_identity import alike, renamed, renamings

GIT_CLONE: Final = "prefect.deployments.steps.git_clone"
S3_PULL: Final = "prefect_aws.deployments.steps.pull_from_s3"
FOLDER: Final = "prefect.deployments.steps.set_working_directory"

KINDS_OF_STEPS: Final = frozenset({GIT_CLONE, S3_PULL, FOLDER, "meta_prefect.steps.fetching.project_source"})
"""The pull steps written by this package's builders."""

_NO_SECRETS = "the ledger keeps no secrets; deploy the project to set it"


def under_present_name(target: HistoryEntry, names: Names) -> HistoryEntry:
    """Return a recorded state with the project's current name in place of a former one.

    The page belongs to one of its names already. A foreign mark is kept, and rejected by :func:`check_owned`.
    """
    record = target.entry.after
    if record is None or len(names) == 1:
        return target
    tags = with_present_name(record.get("tags") or [], names)
    page = target.page.model_copy(update={"project": names[0]})
    entry = target.entry.model_copy(update={"after": {**record, "tags": tags}})
    return replace(target, page=page, entry=entry)


def diff_restored(
    target: HistoryEntry, live: LiveDeployment | None, former: Names = (), since: Sequence[LedgerEntry] = ()
) -> Create | Update | Unchanged:
    """Compare a deployment with an earlier state. Operators' settings since then, in fields not set by recipes, are kept.

    The ledger stores no secrets, so secrets stay as they are; a remark names each that was different at the time.

    Args:
        target: The earlier state.
        live: The live state; None if it no longer exists and is to be recreated.
        former: The project's former names.
        since: The entries written since, newest first.

    Raises:
        ConflictError: The live one belongs to another project, or is not managed.
    """
    subject = Subject(DEPLOYMENT, target.entry.deployment)
    wanted = target.entry.after
    assert wanted is not None, "a deleted state is never chosen"  # noqa: S101 - for the type checker
    if live is not None:
        wanted = merge_restored(target.entry, live.record, since, live.schedule_ids)
    wanted, lost = restored(wanted, None if live is None else live.record)
    remarks = tuple(f"{path} {'is left out' if live is None else 'stays as it is'}: {_NO_SECRETS}" for path in lost)
    if live is None:
        return Create(subject, tuple(differences_within(ABSENT, wanted)), wanted, remarks)
    if (other := owner(live.record["tags"])) not in (target.page.project, *former):
        raise ConflictError(
            f"the live deployment belongs to {f'the project {other!r}' if other else 'nobody'}, "
            f"not to {target.page.project!r}",
            where=str(subject),
            hint="Roll it back from the project that it belongs to."
            if other
            else "Take it over with `meta-prefect deploy --adopt` first.",
        )
    names = alike(live.record, wanted)
    fields = (*renamings(names), *field_changes(renamed(live.record, names), wanted))
    if not fields:
        return Unchanged(subject, f"is as it was at {target} already", live.record, remarks)
    return Update(subject, fields, live.record, {**live.record, **wanted}, remarks=remarks, renamed=names)


def check_owned(target: HistoryEntry, word: str | None = None) -> Iterator[ConfigurationError]:
    """Yield an error if what is to be written would not belong to this project and environment.

    Args:
        target: The state to write.
        word: The project's word for that environment; None if it is the environment's name.
    """
    tags: list[str] = (target.entry.after or {}).get("tags") or []
    where = f"{target.entry.deployment} at {target}"
    if target.entry.action == "found":
        return  # it is being disowned again
    if (other := owner(tags)) != target.page.project:
        yield ConflictError(f"it would belong to {other!r}, not to {target.page.project!r}", where=where)
    environments = [tag for tag in tags if tag.startswith("env=")]
    expected = word or target.page.environment
    if environments not in ([], [environment_tag(expected)]):
        yield ConflictError(f"it would be for {environments}, not for {expected!r}", where=where)


def check_steps(
    target: HistoryEntry, history: Iterable[HistoryEntry], live: Record | None
) -> Iterator[ConfigurationError]:
    """Yield an error for each kind of pull step that is known from only one record.

    A pull step can run any command. So its kind must be one that our builders write, that the deployment has now, or that
    another run's record shows it had.


    Args:
        target: The state to write.
        history: The deployment's history.
        live: Its live record.
    """
    known = {kind for record in _otherwise_known(target, history, live) for kind in _kinds(record)}
    for kind in _kinds(target.entry.after or {}):
        if kind not in KINDS_OF_STEPS and kind not in known:
            yield ConflictError(
                f"its pull step {kind!r} is of no kind that this deployment is otherwise known to have had",
                where=f"{target.entry.deployment} at {target}",
                hint="Deploy that version of the project instead.",
            )


def let_through(target: HistoryEntry, history: Iterable[HistoryEntry], live: Record | None) -> frozenset[Allowed]:
    """Return which unknown names were allowed when a version was deployed, judging by other records.

    Args:
        target: The state to write.
        history: The deployment's history.
        live: Its live record.
    """
    records = _otherwise_known(target, history, live)
    wanted = target.entry.after or {}
    names: dict[Allowed, Callable[[Record], set[str]]] = {
        "unknown_job_variables": lambda record: set(record.get("job_variables") or {}),
        "unknown_parameters": _parameters,
    }
    return frozenset(
        one for one, of in names.items() if of(wanted) <= {name for record in records for name in of(record)}
    )


def _otherwise_known(target: HistoryEntry, history: Iterable[HistoryEntry], live: Record | None) -> list[Record]:
    """Return a deployment's live record and the states recorded by runs other than that of the target."""
    others = [one.entry for one in history if one.doubt is None and one.page.run_id != target.page.run_id]
    records = [live, *(record for entry in others for record in (entry.before, entry.after))]
    return [record for record in records if record is not None]


def _parameters(record: Record) -> set[str]:
    """Return the names of a deployment's parameters, including those of its schedules."""
    schedules: dict[str, Record] = record.get("schedules") or {}
    given: list[Record] = [place.get("parameters") or {} for place in (record, *schedules.values())]
    return {name for parameters in given for name in parameters}


def _kinds(record: Record) -> Iterator[str]:
    steps: list[Record] = record.get("pull_steps") or []
    return (kind for step in steps for kind in step)


def _step(record: Record | None, kind: str) -> Record | None:
    """Return the inputs of a record's pull step of a kind."""
    steps: list[Record] = (record or {}).get("pull_steps") or []
    found: Any = next((step[kind] for step in steps if kind in step), None)
    return cast("Record", found) if isinstance(found, dict) else None


def _image(record: Record | None) -> object:
    variables: Record = (record or {}).get("job_variables") or {}
    return variables.get("image")


def code_remarks(target: HistoryEntry, newest: HistoryEntry, live: Record | None) -> Iterator[str]:
    """Yield remarks on whether the code is rolled back too, which depends on where runs get it from.

    Args:
        target: The state to restore.
        newest: The newest entry.
        live: The live record; None if it no longer exists.
    """
    wanted = target.entry.after or {}
    if (clone := _step(wanted, GIT_CLONE)) is not None:
        yield from _of_git(clone, _step(live, GIT_CLONE) or {})
    elif (pull := _step(wanted, S3_PULL)) is not None:
        if pull != _step(live, S3_PULL):
            yield f"its code goes back too: runs take it from {pull.get('bucket')}/{pull.get('folder')}"
    elif (image := _image(wanted)) is not None:
        if image != _image(live):
            yield f"its code goes back as far as it is in the image: runs use {image}"
    elif (folder := _step(wanted, FOLDER)) is not None:
        before, now = target.page.commit, newest.page.commit
        if before is not None and before != now:
            commits = f"{target} was deployed from commit {short_commit(before)}, the last one from {short_commit(now or 'none')}"
            yield f"fields go back, files do not: runs use {folder.get('directory')} as it is then; {commits}"


def _of_git(clone: Record, live: Record) -> Iterator[str]:
    repository = _without_user(str(clone.get("repository")))
    commit, now = clone.get("commit_sha"), live.get("commit_sha")
    if commit is None:
        yield f"its code does not go back: runs clone {clone.get('branch') or 'the default branch'} of {repository} as it is then"
    elif (commit, clone.get("repository")) != (now, live.get("repository")):
        instead = f" instead of {short_commit(str(now))}" if now is not None else ""
        yield f"its code goes back too: runs clone {repository} at commit {short_commit(str(commit))}{instead}"


def _without_user(address: str) -> str:
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.scheme == "https" else address
