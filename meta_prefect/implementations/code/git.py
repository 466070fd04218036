"""Code that each run clones from a Git repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from meta_prefect.implementations.builder import Builder
from meta_prefect.implementations.code.commits import committed, whole_commit
from meta_prefect.implementations.saved_blocks import SavedCredentials
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.redaction import redacted

_SCP_LIKE: Final = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[^:]+")
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")
_USERS_OF_TOKENS: Final = {"github": "x-access-token", "bitbucket": "x-token-auth"}
"""The user name that some Git hosts require with a token; others accept any."""

_BLOCK: Final = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")


def check_repository(url: str) -> str:
    """Validate the URL of a Git repository, and reject URLs that contain a secret."""
    if redacted(url) != url:
        # The value is not shown: it contains a secret.
        raise ValueError(
            "the address of the repository holds a user or password, or a token: name a saved block as `token` instead"
        )
    parts = urlsplit(url)
    if url.startswith("-") or (parts.scheme not in ("https", "ssh", "file") and _SCP_LIKE.fullmatch(url) is None):
        raise ValueError(f"{url!r} is no address of a repository: write it with https://, ssh:// or file://")
    return url


def check_reference(name: str) -> str:
    """Validate the name of a branch; above all, reject options of git. Surrounding whitespace is removed."""
    name = name.strip()
    if name.startswith("-") or not name or any(mark in name for mark in (" ", "..", "~", "^", ":", "\\")):
        raise ValueError(f"{name!r} is no name of a branch")
    return name


def check_commit(commit: str) -> str:
    """Validate a commit hash."""
    if _COMMIT.fullmatch(commit) is None:
        raise ValueError(f"{commit!r} is no commit: write its hash")
    return commit


def check_folder(folder: str) -> str:
    """Reject a folder outside the repository."""
    if folder.startswith(("/", "-")) or ".." in folder.split("/"):
        raise ValueError(f"{folder!r} leaves the repository: write a path within it")
    return folder.strip("/")


def _is_within(folder: str, other: str) -> bool:
    return folder == other or folder.startswith(f"{other}/")


def check_token(reference: str) -> str:
    """Reject a literal secret where a reference to one is expected."""
    if _BLOCK.fullmatch(reference) is None:
        raise ValueError(
            "a token is named, never written down: give a saved block as '<block type>/<name>', such as 'secret/git'"
        )
    return reference


def credentials_argument(token: str | None, repository: str, user: str | None = None) -> Record:
    """Return the argument with which Prefect's step authenticates: a reference to a saved block, resolved in the run.

    Args:
        token: The block as ``<block type>/<name>``; None if none is needed.
        repository: The repository's URL.
        user: The user that belongs to a token in a secret block; None for the host's usual one.
    """
    if token is None:
        return {}
    block_type, _, name = token.partition("/")
    reference = "{{ prefect.blocks." + f"{block_type}.{name}" + " }}"
    if block_type != "secret":
        return {"credentials": reference}
    # Without a user, Git takes the token for one and prompts for a password.
    host = urlsplit(repository).hostname or ""
    known = user or next((user for part, user in _USERS_OF_TOKENS.items() if part in host), "oauth2")
    return {"credentials": {"username": known, "access_token": reference}}


def clone_steps(
    clone: Record, *, token: str | None = None, user: str | None = None, folder: str = ""
) -> list[dict[str, Any]]:
    """Return the pull steps that clone a repository and enter a folder of it.

    Args:
        clone: Arguments of Prefect's step ``git_clone``.
        token: The saved block with credentials for a private repository.
        user: The user that belongs to a token in a secret block.
        folder: The project's folder in the repository.
    """
    steps: list[dict[str, Any]] = [
        {
            "prefect.deployments.steps.git_clone": {
                "id": "clone",
                **clone,
                **credentials_argument(token, clone["repository"], user),
            }
        }
    ]
    if folder:
        directory = "{{ clone.directory }}/" + folder
        steps.append({"prefect.deployments.steps.set_working_directory": {"directory": directory}})
    return steps


def _folder_in_repository(folder: str) -> str:
    """Return a folder's path relative to the root of its repository; empty outside a repository."""
    place = Path(folder)
    top = next((one for one in (place, *place.parents) if (one / ".git").exists()), place)
    return "" if top == place else place.relative_to(top).as_posix()


class git_code(Builder):  # noqa: N801 - used like a function
    """Lets each run clone a Git repository at one commit: the one that is deployed, unless another or a branch is named.

    Attributes:
        repository: The repository's address: https, ssh or file.
        commit: The hash of the commit, which may be abbreviated where the project's folder is a clone that has it; None means
            the one that is checked out where the deploy happens.
        branch: A branch, whose newest commit each run takes; then what runs can change without a deploy.
        token: The saved block that opens a private repository over https, as ``<block type>/<name>``: ``secret/…`` or one of
            Prefect's blocks for Git hosts, such as ``github-credentials/…``. It is resolved in the run.
        user: The user whose token a ``secret/…`` is; None means what the Git host wants beside tokens.
        folder: The folder of the repository in which runs start; None means the project's own, or that of its part.
        submodules: Whether submodules are cloned too.
        directories: Folders of the repository that are checked out, beside the files at its top; none means everything.
        pin: Which deploys pin their commit: ``changed`` for those in which a file of the project differs from the commit that is
            live, or ``always``.
    """

    step: ClassVar[str] = "run the code from git"

    repository: Annotated[str, AfterValidator(check_repository)]
    commit: Annotated[str, AfterValidator(check_commit)] | None = None
    branch: Annotated[str, AfterValidator(check_reference)] | None = None
    token: Annotated[str, AfterValidator(check_token)] | None = None
    user: str | None = Field(default=None, pattern=r"^[^\s:/@]+$")
    folder: Annotated[str, AfterValidator(check_folder)] | None = None
    submodules: bool = Field(default=False)
    directories: tuple[Annotated[str, AfterValidator(check_folder)], ...] = ()
    pin: Literal["changed", "always"] = "changed"

    @model_validator(mode="after")
    def _one_version(self) -> Self:
        if self.commit is not None and self.branch is not None:
            raise ValueError("give either `commit` or `branch`")
        if self.directories and self.folder and not any(_is_within(self.folder, one) for one in self.directories):
            raise ValueError(f"`directories` do not hold the project's `folder` {self.folder!r}: name it too")
        if self.user is not None and not (self.token or "").startswith("secret/"):
            raise ValueError("`user` goes with a token in a secret block; other blocks have a user of their own")
        if self.token is not None and not self.repository.startswith("https://"):
            raise ValueError("a token is for repositories over https; ssh has keys of its own")
        return self

    @property
    def requires(self) -> list[Component]:
        """The saved block with the credentials."""
        return [] if self.token is None else [SavedCredentials.of(self.token)]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Make each run clone the repository.

        Raises:
            ConfigurationError: The commit is unknown, is abbreviated and not available here, or the folder has changed since.
        """
        clone: Record = {"repository": self.repository}
        if self.branch is not None:
            clone["branch"] = self.branch
        else:
            clone["commit_sha"] = (
                committed(deployment) if self.commit is None else whole_commit(self.commit, deployment.flow.source)
            )
        if self.submodules:
            clone["include_submodules"] = True
        if self.directories:
            clone["directories"] = list(self.directories)
        folder = _folder_in_repository(deployment.flow.source) if self.folder is None else self.folder
        deployment.pull_steps = clone_steps(clone, token=self.token, user=self.user, folder=folder)
        deployment.pins_each_commit = self.pin == "always" or self.commit is not None
        return deployment
