"""Selects deployments of a project by name or pattern."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict

from meta_prefect.errors import ConfigurationError, TargetError, nearest
from meta_prefect.project import Project

_SHOWN: Final = 10
"""How many names to list if none is similar."""


class Selection(BaseModel):
    """The selected deployments; all if nothing is given.

    A flow is skipped before it is loaded if its name shows that it is not selected.

    Attributes:
        names: Flows (``etl``) or deployments (``etl/nightly-prod``); ``_`` and ``-`` are equivalent.
        patterns: The same with wildcards ``*``, ``?`` and ``[…]``: ``*/nightly-*``. One without a ``/``, such as ``etl-*``,
            may match the flow, the deployment's own name or both together.
        file: Only flows in this file, given relative to the folder of the project, or of the selected part.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    file: str | None = None

    @property
    def _wanted(self) -> list[tuple[str, str]]:
        parts = [_normal(text).partition("/") for text in (*self.names, *self.patterns)]
        return [(flow, deployment or "*") for flow, _, deployment in parts]

    @property
    def _loose(self) -> list[str]:
        """The patterns that may match a deployment's name in any flow."""
        return [_normal(pattern) for pattern in self.patterns if "/" not in pattern]

    def __bool__(self) -> bool:
        return bool(self.names or self.patterns)

    def may_include(self, flow: str) -> bool:
        """Return whether any deployment of a flow may be selected."""
        return bool(self._loose) or self.names_flow(flow)

    def names_flow(self, flow: str) -> bool:
        """Return whether a flow is selected by its own name, so that errors in other flows are irrelevant."""
        return not self or any(fnmatchcase(_normal(flow), pattern) for pattern, _ in self._wanted)

    def may_come_from(self, entrypoint: str) -> bool:
        """Return whether a flow with this entrypoint may be selected."""
        if self.file is None:
            return True
        module = self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return entrypoint.startswith((f"{self.file}:", f"{module}.", f"{module}:"))

    def includes(self, flow: str, deployment: str) -> bool:
        """Return whether a deployment is selected."""
        flow, deployment = _normal(flow), _normal(deployment)
        return (
            not self
            or any(fnmatchcase(flow, one) and fnmatchcase(deployment, other) for one, other in self._wanted)
            or any(fnmatchcase(name, one) for one in self._loose for name in (deployment, f"{flow}/{deployment}"))
        )

    def unmatched(self, flows: Iterable[str], deployments: Iterable[tuple[str, str]]) -> list[ConfigurationError]:
        """Return an error for each name or pattern without a match.

        Args:
            flows: The names of the flows that the project deploys.
            deployments: Pairs of flow and deployment names found for this selection.
        """
        known_flows = set(flows)
        known = set(deployments)
        errors: list[ConfigurationError] = []
        for text in (*self.names, *self.patterns):
            single = Selection(patterns=(text,))
            if any(single.includes(flow, name) for flow, name in known):
                continue
            full_names = {"/".join(pair) for pair in known}
            names = full_names if text in self.patterns or "/" in text else known_flows
            errors.append(
                TargetError(
                    f"nothing in this project matches {text!r}, as a path, a flow or a flow/deployment",
                    hint=_nearest(text, names or known_flows),
                )
            )
        return errors


def _nearest(text: str, names: set[str]) -> str:
    """Suggest the name nearest to a name or pattern, or list a few."""
    if len(names) <= _SHOWN or get_close_matches(text, names, n=1):
        return nearest(text, names)
    return f"Known: {', '.join(sorted(names)[:_SHOWN])} and {len(names) - _SHOWN} more."


def _normal(text: str) -> str:
    return text.replace("_", "-")


def select_in(project: Project, path: Path, names: Sequence[str], patterns: Sequence[str]) -> Selection:
    """Build a selection for a project.

    Args:
        project: The project.
        path: The given path; a Python file selects the flows in it.
        names: The given names.
        patterns: The given patterns.
    """
    resolved = path.resolve()
    folder = (project.chosen or project).root
    file = resolved.relative_to(folder).as_posix() if resolved.suffix == ".py" else None
    return Selection(names=tuple(names), patterns=tuple(patterns), file=file)
