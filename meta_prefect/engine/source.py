"""Provides the project to be deployed: the given folder, or a fresh clone of its Git repository.

A deployer's source is fixed in its deployment's pull step, which no run parameter can change. The run reads it there and
fetches the project itself, at the requested branch or commit, so that errors are reported by the run instead of a crashed
process.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from prefect import get_run_logger, task
from prefect.exceptions import ObjectNotFound

from meta_prefect.engine.observed import RETRY_TEMPORARY_ERRORS, deployment_id
from meta_prefect.engine.progress import progress
from meta_prefect.errors import TargetError, UnreachableError, ValidationFailed, nearest
from meta_prefect.git import git
from meta_prefect.implementations.code.git import check_reference, credentials_argument
from meta_prefect.implementations.code.project_source import PULL_STEP, ProjectSource
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.context import CodeOrigin
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.local.files import fullness, scratch_folder
from meta_prefect.plan.saved_plan import SavedPlan
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.prefect_internals.utilities import resolve_block_document_references
from meta_prefect.project import Enforcement
from meta_prefect.redaction import remember, remember_within, texts_in
from meta_prefect.server import PrefectServer

_WHOLE_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ABBREVIATED: Final = re.compile(r"[0-9a-f]{7,39}")
_GIT_ERRORS: Final = (RuntimeError, subprocess.CalledProcessError)
_WHERE: Final = "branch or commit"
_MAX_KNOWN: Final = 50


_fetched: dict[Path, ProjectSource] = {}
"""The clones made by this process."""


async def given_source(server: PrefectServer) -> ProjectSource | None:
    """Return the source fixed by this run's deployment; None without such a deployment, as on a command line."""
    if (given := await _given(server)) is None:
        return None
    source = ProjectSource.model_validate(given["source"])
    if source.repository is not None and given.get("fetch"):
        _fetched[_top_of(Path.cwd())] = source
    return source


async def given_policies(server: PrefectServer) -> Enforcement:
    """Return the policies enforced by this run's deployment; none without such a deployment."""
    given = await _given(server) or {}
    return Enforcement.model_validate(given.get("enforcement") or {})


async def _given(server: PrefectServer) -> Record | None:
    """Return what the pull step of this run's deployment fixes, which no run parameter can change."""
    own_id = deployment_id()
    found: Record | None = await server.get(f"/deployments/{own_id}") if own_id else None
    steps: list[Record] = (found or {}).get("pull_steps") or []
    return next((step[PULL_STEP] for step in steps if PULL_STEP in step), None)


async def project_source(
    source: dict[str, Any], fetch: bool = False, enforcement: dict[str, Any] | None = None
) -> dict[str, str]:
    """The pull step of a deployer's deployments.

    Args:
        source: A :class:`~meta_prefect.implementations.code.project_source.ProjectSource`.
        fetch: Whether to fetch the project now, because the flow itself is in it.
        enforcement: A :class:`~meta_prefect.project.Enforcement`, which only the run itself reads.

    Returns:
        The folder to start in.
    """
    del enforcement
    place = ProjectSource.model_validate(source)
    if place.folder is not None:
        return {"directory": place.folder}
    if not fetch:
        return {}
    return {"directory": str(await fetch_source(place, None, Path.cwd()))}


def origin_of(folder: Path) -> CodeOrigin | None:
    """Return where a folder was fetched from; None if it was not fetched."""
    for root, source in _fetched.items():
        if folder.resolve().is_relative_to(root) and source.repository is not None:
            inside = folder.resolve().relative_to(root).as_posix()
            return CodeOrigin(repository=source.repository, token=source.token, folder="" if inside == "." else inside)
    return None


@asynccontextmanager
async def project_folder(
    path: str, revision: str | None, server: PrefectServer, plan: SavedPlan | None = None
) -> AsyncGenerator[Path]:
    """Provide the project that a run is to deploy, for as long as it needs it.

    Args:
        path: The project's folder or a file in it; for a deployer's run, relative to its source.
        revision: The branch or commit requested by the run.
        server: The Prefect API.
        plan: The saved plan being applied or continued, whose commit is used.

    Raises:
        ValidationFailed: The run requests something that its deployment does not allow, or that does not exist.
        UnreachableError: The repository does not respond.
    """
    source = await given_source(server)
    revision = (revision or "").strip() or None
    if source is None:
        if revision is not None:
            raise ValidationFailed([_no_choice(revision, "this run deploys the folder that it was given")])
        yield Path(path)
    elif source.folder is not None:
        if revision is not None:
            raise ValidationFailed([_no_choice(revision, f"this deployer deploys the folder {source.folder}")])
        yield inside(Path(source.folder), path)
    else:
        check_allowed(source, revision)
        wanted = plan.commit if plan is not None and plan.commit is not None else revision
        with scratch_folder() as folder:
            yield inside(await fetch_observed(whole(Fetch(source, wanted, folder))), path)


def inside(root: Path, path: str) -> Path:
    """Return a path in a source, with symbolic links resolved.

    Raises:
        ValidationFailed: It is outside the source.
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
    return TargetError(f"{revision!r} cannot be chosen: {why}", where=_WHERE, hint="Leave the field empty.")


def check_allowed(source: ProjectSource, revision: str | None) -> None:
    """Reject a branch or commit that a run may not request.

    Raises:
        ValidationFailed: It is invalid, or the deployer does not allow it.
    """
    if revision is None:
        return
    try:
        check_reference(revision)
    except ValueError as error:
        hint = "Write a branch, a tag, or a commit's hash."
        raise ValidationFailed([TargetError(str(error), where=_WHERE, hint=hint)]) from None
    if not source.may_name(revision):
        known = (
            ", ".join(dict.fromkeys(filter(None, (source.revision, *source.revisions)))) or "nothing but the default"
        )
        error = TargetError(
            f"{revision!r} may not be deployed by this deployer", where=_WHERE, hint=f"Allowed: {known}."
        )
        raise ValidationFailed([error])


@dataclass(frozen=True)
class Fetch:
    """A clone to be made, as a single task parameter."""

    source: ProjectSource
    revision: str | None
    into: Path

    def __str__(self) -> str:
        return short_commit(self.revision or self.source.revision or "the default branch")


@task(
    name="fetch project",
    task_run_name="fetch {fetch}",
    **RETRY_TEMPORARY_ERRORS,
)
async def fetch_observed(fetch: Fetch) -> Path:
    """Fetch a project, as a task.

    Raises:
        ValidationFailed: There is no such branch, commit or folder.
        UnreachableError: The repository does not respond.
    """
    progress().step(f"fetch {fetch}")
    folder = await fetch_source(fetch.source, fetch.revision, fetch.into)
    get_run_logger().info("fetched %s of %s", fetch, fetch.source.repository)
    return folder


async def fetch_source(source: ProjectSource, revision: str | None, into: Path) -> Path:
    """Clone a Git repository; return the project's folder in the clone.

    Args:
        source: The repository.
        revision: A branch, a tag, or a commit hash, which may be abbreviated; None for the source's own.
        into: A folder for the clone.

    Raises:
        ValidationFailed: There is no such branch, commit or folder, or the credentials block does not exist.
        UnreachableError: The repository does not respond.
    """
    wanted = revision or source.revision
    is_commit = wanted is not None and _WHOLE_COMMIT.fullmatch(wanted) is not None
    copy = _Copy(source.repository or "", into, await _credentials(source))
    try:
        root = await copy.make(branch=None if is_commit else wanted, commit=wanted if is_commit else None)
    except ValueError as error:  # raised by Prefect's storage for invalid credentials
        hint = "A secret holds the token alone; a block for a Git host has a token, or a user and a password."
        raise ValidationFailed([TargetError(str(error), where=f"block {source.token}", hint=hint)]) from None
    except _GIT_ERRORS as error:
        if not is_commit and (whole := await copy.whole_commit(wanted or "")) is not None:
            return await fetch_source(source, whole, into)
        raise await copy.why_not(wanted, error, is_commit=is_commit) from None
    if is_commit and not git(root, "branch", "--remotes", "--contains", "HEAD"):
        # Repository hosts serve the commits of any fork under the original's URL.
        raise ValidationFailed([TargetError(f"{wanted} is on no branch of {source.repository}", where=_WHERE)])
    _fetched[root] = source
    folder = inside(root, source.subfolder or ".")
    if not folder.is_dir():
        where = "folder in the repository"
        raise ValidationFailed([TargetError(f"there is no folder {source.subfolder!r} at {wanted}", where=where)])
    return folder


async def _credentials(source: ProjectSource) -> Any:
    """Return the credentials for the repository as Prefect's storage takes them; None if none are needed.

    The block is loaded here, as Prefect does for its own steps: the secret stays in this process. Prefect would resolve
    references in a pull step too, but then a run whose block is missing would end before it could report that.

    Raises:
        ValidationFailed: The block does not exist.
    """
    try:
        opened: Record = await resolve_block_document_references(
            credentials_argument(source.token, source.repository or "")
        )
    except ObjectNotFound:
        block_type, _, name = (source.token or "").partition("/")
        error = TargetError(
            f"there is no block {name!r} of type {block_type}, which is to open the repository",
            where=source.repository,
            hint="Save it in the Prefect UI under Blocks, or bootstrap the deployer again with another `--token`.",
        )
        raise ValidationFailed([error]) from None
    found: Any = opened.get("credentials")
    secret: Any = cast("Record", found).get("access_token", found) if isinstance(found, dict) else found
    remember(*texts_in(secret))
    remember_within(secret)
    return opened.get("credentials")


class _Copy:
    """A clone in the making, using Prefect's Git storage, which knows how each host expects credentials."""

    def __init__(self, repository: str, into: Path, credentials: Any) -> None:
        self._repository = repository
        self._into = into
        self._credentials = credentials

    async def make(self, *, branch: str | None = None, commit: str | None = None, name: str = "project") -> Path:
        from prefect.runner.storage import GitRepository

        os.environ.setdefault("GIT_TERMINAL_PROMPT", "0")  # nobody is there to answer a prompt
        storage = GitRepository(
            url=self._repository,
            credentials=self._credentials,
            name=name,
            branch=branch,
            commit_sha=commit,
            pull_interval=None,
        )
        storage.set_base_path(self._into)
        await storage.pull_code()
        return storage.destination.resolve()

    async def whole_commit(self, abbreviated: str) -> str | None:
        """Return the commit on a branch that an abbreviated hash refers to; None if there is none.

        Raises:
            ValidationFailed: The hash is ambiguous.
        """
        if _ABBREVIATED.fullmatch(abbreviated) is None:
            return None
        try:
            root = await self.make(name="history")
        except _GIT_ERRORS:
            return None
        branches = "+refs/heads/*:refs/remotes/origin/*"
        git(root, "fetch", "--quiet", "--unshallow", "--filter=tree:0", "origin", branches)
        commits = (git(root, "rev-list", "--remotes") or "").splitlines()
        match [one for one in commits if one.startswith(abbreviated)]:
            case []:
                return None
            case [commit]:
                return commit
            case several:
                message = f"{abbreviated!r} may be any of {', '.join(one[:12] for one in several)}"
                raise ValidationFailed([TargetError(message, where=_WHERE, hint="Give more of the hash.")])

    async def why_not(
        self, wanted: str | None, error: Exception, *, is_commit: bool
    ) -> ValidationFailed | UnreachableError:
        """Determine whether the repository or the requested revision is missing: Git and Prefect report both the same way."""
        try:
            root = await self.make(name="default")
        except _GIT_ERRORS as failure:
            if full := fullness(self._into):
                return UnreachableError(
                    f"the project cannot be fetched: {full}",
                    where=str(self._into),
                    hint="Free some space there, or set TMPDIR to a folder elsewhere.",
                )
            return UnreachableError(
                f"the project cannot be fetched: {failure if wanted is None else error}",
                where=self._repository,
                hint="Does the worker reach it, and does the token that the deployer names still open it?",
            )
        what = "commit" if is_commit else "branch or tag"
        lines = (git(root, "ls-remote", "--heads", "--tags", "origin") or "").splitlines()
        known = [line.partition("refs/")[2].partition("/")[2].removesuffix("^{}") for line in lines]
        hint = "Has it been pushed?" if is_commit else nearest(wanted or "", known[:_MAX_KNOWN])
        return ValidationFailed(
            [TargetError(f"there is no {what} {wanted!r} in {self._repository}", where=_WHERE, hint=hint)]
        )


def _top_of(folder: Path) -> Path:
    """Return the root of the clone that contains a folder."""
    return next((one for one in (folder.resolve(), *folder.resolve().parents) if (one / ".git").exists()), folder)
