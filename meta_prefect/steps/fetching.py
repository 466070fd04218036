"""Getting a project to where it is deployed from: the folder that was named, or a fresh copy of its Git repository.

A deployer that runs in Prefect has its source from its deployment's pull step, which no parameter of a run can change. The step
takes note of it; the run then fetches the project at the branch or commit that it is asked for, so that what is wrong with that
is said by the run itself and not by a process that ends.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from meta_prefect.errors import TargetError, UnreachableError, ValidationFailed
from meta_prefect.implementations.code.git import check_reference
from meta_prefect.implementations.code.project_source import ProjectSource
from meta_prefect.interfaces.context import CodeOrigin
from meta_prefect.plan.recorded import RecordedPlan
from meta_prefect.steps.progress import progress
from meta_prefect.steps.retrying import RETRY_DELAYS_SECONDS, may_go_away

_WHOLE_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NO_SUCH_BRANCH: Final = re.compile(r"remote branch .* not found|couldn't find remote ref", re.IGNORECASE)
_FOLDER: Final = "project"


@dataclass(frozen=True, slots=True)
class _Given:
    """What the pull step of this process's deployment says."""

    source: ProjectSource
    credentials: Any


# One process is one flow run of one deployment: what its pull step says holds for all of it.
_given: list[_Given] = []
_fetched: dict[Path, ProjectSource] = {}


def given_source() -> ProjectSource | None:
    """The source that this run's deployment fixes; None where there is no such deployment, as on a command line."""
    return _given[-1].source if _given else None


async def project_source(
    source: dict[str, Any], fetch: bool = False, access_token: str | None = None, credentials: Any = None
) -> dict[str, str]:
    """The pull step of a deployer's deployments.

    Args:
        source: A :class:`~meta_prefect.implementations.code.project_source.ProjectSource`.
        fetch: Whether to fetch the project now, because the flow itself is in it.
        access_token: The secret that opens the repository.
        credentials: The block that opens it.

    Returns:
        The folder to start in.
    """
    place = ProjectSource.model_validate(source)
    _given.append(_Given(place, {"access_token": access_token} if access_token else credentials))
    if place.folder is not None:
        return {"directory": place.folder}
    if not fetch:
        return {}
    return {"directory": str(await fetch_source(place, None, Path.cwd(), _given[-1].credentials))}


def commit_of(plan: RecordedPlan | None) -> str | None:
    """The commit at which a recorded plan was made, where this run fetches its project from a repository."""
    given = given_source()
    if plan is None or given is None or given.repository is None:
        return None
    return plan.commit


def origin_of(folder: Path) -> CodeOrigin | None:
    """Where a folder was fetched from; None where nobody fetched it."""
    for root, source in _fetched.items():
        if folder.resolve().is_relative_to(root) and source.repository is not None:
            inside = folder.resolve().relative_to(root).as_posix()
            return CodeOrigin(repository=source.repository, token=source.token, folder="" if inside == "." else inside)
    return None


@asynccontextmanager
async def project_folder(path: str, revision: str | None, commit: str | None = None) -> AsyncGenerator[Path]:
    """Get the project that a run is to deploy, for as long as it needs it.

    Args:
        path: The project's folder or a file in it; in a deployer's deployment relative to its source.
        revision: The branch or commit that the run asks for.
        commit: The commit that an earlier plan fixed; it counts instead.

    Raises:
        ValidationFailed: The run asks for something that its deployment does not allow, or that is not there.
        UnreachableError: The repository does not answer.
    """
    given = _given[-1] if _given else None
    if given is None:
        if revision is not None:
            raise ValidationFailed([_no_choice(revision, "this run deploys the folder that it was given")])
        yield Path(path)
    elif given.source.folder is not None:
        if revision is not None:
            raise ValidationFailed([_no_choice(revision, f"this deployer deploys the folder {given.source.folder}")])
        yield _inside(Path(given.source.folder), path)
    else:
        _check_allowed(given.source, revision)
        with tempfile.TemporaryDirectory(prefix="meta-prefect-") as folder:
            yield _inside(
                await fetch_observed(Fetch(given.source, commit or revision, Path(folder), given.credentials)), path
            )


def _inside(root: Path, path: str) -> Path:
    """A path of a source, once links are followed.

    Raises:
        ValidationFailed: It leads out of it.
    """
    found = (root / path).resolve()
    if not found.is_relative_to(root.resolve()):
        error = TargetError(
            f"{path!r} lies outside of the project that this deployer deploys",
            where="path",
            hint="Leave it empty, or give a path in the project.",
        )
        raise ValidationFailed([error])
    return found


def _no_choice(revision: str, why: str) -> TargetError:
    return TargetError(f"{revision!r} cannot be chosen: {why}", where="branch or commit", hint="Leave the field empty.")


def _check_allowed(source: ProjectSource, revision: str | None) -> None:
    if revision is None:
        return
    try:
        check_reference(revision)
    except ValueError as error:
        hint = "Write a branch, a tag, or a commit's whole hash."
        raise ValidationFailed([TargetError(str(error), where="branch or commit", hint=hint)]) from None
    if not source.may_name(revision):
        known = (
            ", ".join(dict.fromkeys(filter(None, (source.revision, *source.revisions)))) or "nothing but the default"
        )
        error = TargetError(
            f"{revision!r} may not be deployed by this deployer", where="branch or commit", hint=f"Allowed: {known}."
        )
        raise ValidationFailed([error])


class Fetch:
    """A copy of a repository to be made, as one parameter of a task."""

    # No dataclass: Prefect searches those, member by member, for futures when they are a task's parameter.

    def __init__(self, source: ProjectSource, revision: str | None, into: Path, credentials: Any) -> None:
        self.source = source
        self.revision = revision
        self.into = into
        self.credentials = credentials

    def __str__(self) -> str:
        return self.revision or self.source.revision or "the default branch"


@task(
    name="fetch project",
    task_run_name="fetch {fetch}",
    cache_policy=NO_CACHE,
    retries=len(RETRY_DELAYS_SECONDS),
    retry_delay_seconds=RETRY_DELAYS_SECONDS,
    retry_condition_fn=may_go_away,
)
async def fetch_observed(fetch: Fetch) -> Path:
    """Fetch a project, as a task."""
    progress().step(f"fetch {fetch}")
    folder = await fetch_source(fetch.source, fetch.revision, fetch.into, fetch.credentials)
    get_run_logger().info("fetched %s of %s", fetch, fetch.source.repository)
    return folder


async def fetch_source(source: ProjectSource, revision: str | None, into: Path, credentials: Any = None) -> Path:
    """Make a fresh copy of a Git repository; returns the project's folder in it.

    Args:
        source: The repository.
        revision: A branch, a tag, or a commit's whole hash; None means the source's own.
        into: A folder for the copy.
        credentials: What opens it, as Prefect's storage takes it.

    Raises:
        ValidationFailed: There is no such branch, commit or folder.
        UnreachableError: The repository does not answer.
    """
    from prefect.runner.storage import GitRepository

    assert source.repository is not None, "a folder is not fetched"  # noqa: S101 - for the type checker
    wanted = revision or source.revision
    is_commit = wanted is not None and _WHOLE_COMMIT.fullmatch(wanted) is not None
    os.environ.setdefault("GIT_TERMINAL_PROMPT", "0")  # nobody is there to answer
    storage = GitRepository(
        url=source.repository,
        credentials=credentials,
        name=_FOLDER,
        branch=None if is_commit else wanted,
        commit_sha=wanted if is_commit else None,
        pull_interval=None,
    )
    storage.set_base_path(into)
    try:
        await storage.pull_code()
    except (RuntimeError, subprocess.CalledProcessError, ValueError) as error:
        raise _why_not_fetched(source.repository, wanted, error, is_commit=is_commit) from None
    root = storage.destination.resolve()
    if is_commit and not _is_on_a_branch(root):
        # Hosts of repositories give out the commits of anybody's fork under the address of the original.
        where = "branch or commit"
        raise ValidationFailed([TargetError(f"{wanted} is on no branch of {source.repository}", where=where)])
    _fetched[root] = source
    folder = _inside(root, source.subfolder or ".")
    if not folder.is_dir():
        where = "folder in the repository"
        raise ValidationFailed([TargetError(f"there is no folder {source.subfolder!r} at {wanted}", where=where)])
    return folder


def _why_not_fetched(
    repository: str, wanted: str | None, error: Exception, *, is_commit: bool
) -> ValidationFailed | UnreachableError:
    if is_commit and isinstance(error, subprocess.CalledProcessError):
        message = f"there is no commit {wanted} in {repository}"
        return ValidationFailed([TargetError(message, where="branch or commit", hint="Has it been pushed?")])
    if wanted is not None and ("branch" in str(error).lower() or _NO_SUCH_BRANCH.search(str(error))):
        return ValidationFailed(
            [
                TargetError(
                    f"there is no branch or tag {wanted!r} in {repository}",
                    where="branch or commit",
                    hint="Write a branch, a tag, or a commit's whole hash.",
                )
            ]
        )
    return UnreachableError(
        f"the project cannot be fetched: {error}",
        where=repository,
        hint="Does the worker reach it, and does the token that the deployer names still open it?",
    )


def _is_on_a_branch(root: Path) -> bool:
    done = subprocess.run(
        ["git", "-C", str(root), "branch", "--remotes", "--contains", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode == 0 and bool(done.stdout.strip())
