"""The version of a deployment."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from meta_prefect.errors import BuilderError
from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.deployment import Deployment, FlowFacts, VersionRule

Strategy = Literal["auto", "increment", "increment-on-change", "package", "git", "content", "prefect"]


class versioneer(Builder):  # noqa: N801 - used like a function
    """Gives a deployment its version. META_PREFECT__VERSION, where it is set, overrides whatever is said here.

    Attributes:
        strategy: ``auto``: the version of the installed package that holds the flow, else the Git commit, else the content;
            ``increment``: the next integer at every deploy; ``increment-on-change``: the next integer where something
            differs; ``package``: the installed package's version; ``git``: the commit, with ``+dirty`` where files were
            changed since; ``content``: a hash of the flow's file; ``prefect``: what `prefect deploy` gives, the commit's first
            eight digits, else the flow's own version.
        version: A fixed version, instead of a strategy.
    """

    step: ClassVar[str] = "resolve version"

    strategy: Strategy = "auto"
    version: str | None = None

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Set the version, or the rule that computes it."""
        deployment.version = deployment.context.version or self.version or self._resolve(deployment)
        return deployment

    def _resolve(self, deployment: Deployment) -> str | VersionRule:
        match self.strategy:
            case "increment":
                return VersionRule.NEXT_INTEGER
            case "increment-on-change":
                return VersionRule.NEXT_ON_CHANGE
            case "package":
                if (version := package_version(deployment.flow)) is None:
                    raise BuilderError(
                        f"no installed package holds the flow {deployment.flow.name!r}",
                        where="builder versioneer",
                        hint="Install the project as a package, or choose the strategy 'git' or 'content'.",
                    )
                return version
            case "git":
                if deployment.context.commit is None:
                    raise BuilderError(
                        f"{deployment.flow.source} is no Git repository with a commit",
                        where="builder versioneer",
                        hint="Commit the project, or choose another strategy.",
                    )
                return deployment.context.commit
            case "content":
                return content_hash(deployment.flow)
            case "prefect":
                return (deployment.context.commit or "")[:8] or deployment.flow.version or content_hash(deployment.flow)
            case "auto":
                return package_version(deployment.flow) or deployment.context.commit or content_hash(deployment.flow)


def package_version(flow: FlowFacts) -> str | None:
    """Return the version of the installed distribution that contains the flow; None if there is none."""
    if flow.module is None:
        return None
    top = flow.module.partition(".")[0]
    for name in _distributions(tuple(sys.path)).get(top, []):
        distribution = importlib.metadata.distribution(name)
        if flow.file is None or _holds(distribution, Path(flow.file)):
            return distribution.version
    return None


@functools.lru_cache(maxsize=4)
def _distributions(path: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Return the installed distributions by import package. Cached per deploy: listing them takes a third of a second."""
    del path  # only part of the cache key
    return importlib.metadata.packages_distributions()


def _holds(distribution: importlib.metadata.Distribution, file: Path) -> bool:
    """Return whether a file belongs to a distribution; a script `tests.py` is unrelated to a package `tests`."""
    folder = Path(str(distribution.locate_file(""))).resolve()
    resolved = file.resolve()
    return resolved.is_relative_to(folder) and PurePosixPath(resolved.relative_to(folder)) in (distribution.files or ())


def content_hash(flow: FlowFacts) -> str:
    """Return twelve hex digits that change with the flow's file."""
    if flow.file is None:
        raise BuilderError(
            f"the file of the flow {flow.name!r} is not known here",
            where="builder versioneer",
            hint="Choose another strategy.",
        )
    return hashlib.sha256(Path(flow.file).read_bytes()).hexdigest()[:12]
