"""Which deployments of a project are meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from meta_prefect.errors import ConfigurationError, TargetError, nearest
from meta_prefect.project import Project


class Selection(BaseModel):
    """The deployments that were asked for; all of them where nothing was.

    A flow is left out before anything of it is loaded, as soon as its name shows that it is not meant.

    Attributes:
        names: Flows (``etl``) or deployments (``etl/nightly-prod``); ``_`` and ``-`` are alike.
        patterns: The same with wildcards ``*``, ``?`` and ``[…]``: ``etl-*``, ``*/nightly-*``.
        file: Only flows of this file, given relative to the project's folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    file: str | None = None

    @property
    def _wanted(self) -> list[tuple[str, str]]:
        parts = [_normal(text).partition("/") for text in (*self.names, *self.patterns)]
        return [(flow, deployment or "*") for flow, _, deployment in parts]

    def __bool__(self) -> bool:
        return bool(self.names or self.patterns)

    def may_include(self, flow: str) -> bool:
        """Whether any deployment of a flow can be meant."""
        return not self or any(fnmatchcase(_normal(flow), pattern) for pattern, _ in self._wanted)

    def may_come_from(self, entrypoint: str) -> bool:
        """Whether a flow with this entrypoint can be meant."""
        if self.file is None:
            return True
        module = self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return entrypoint.startswith((f"{self.file}:", f"{module}.", f"{module}:"))

    def includes(self, flow: str, deployment: str) -> bool:
        """Whether a deployment is meant."""
        return not self or any(
            fnmatchcase(_normal(flow), one) and fnmatchcase(_normal(deployment), other) for one, other in self._wanted
        )

    def unmatched(self, flows: Iterable[str], deployments: Iterable[tuple[str, str]]) -> list[ConfigurationError]:
        """Find what was asked for and is not there.

        Args:
            flows: The names of the flows that the project deploys.
            deployments: Pairs of flow and deployment name that were found for this selection.
        """
        known_flows = set(flows)
        known = set(deployments)
        errors: list[ConfigurationError] = []
        for text in (*self.names, *self.patterns):
            single = Selection(patterns=(text,))
            if any(single.includes(flow, name) for flow, name in known):
                continue
            names = {"/".join(pair) for pair in known} if "/" in text else known_flows
            errors.append(
                TargetError(
                    f"nothing in this project matches {text!r}, as a path, a flow or a flow/deployment",
                    hint=nearest(text, names),
                )
            )
        return errors


def _normal(text: str) -> str:
    return text.replace("_", "-")


def select_in(project: Project, path: Path, names: Sequence[str], patterns: Sequence[str]) -> Selection:
    """Read what was asked for in a project.

    Args:
        project: The project.
        path: The path that was given; a Python file means the flows of that file.
        names: The names that were given.
        patterns: The patterns that were given.
    """
    resolved = path.resolve()
    file = resolved.relative_to(project.root).as_posix() if resolved.suffix == ".py" else None
    return Selection(names=tuple(names), patterns=tuple(patterns), file=file)
