"""Creates the first entries of a project file from its flows, read from source only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from meta_prefect.errors import ProjectFileError
from meta_prefect.flows import FoundFlows, ProjectModules, find_flows
from meta_prefect.flows.decorated import decorated_flows
from meta_prefect.init.found import Found, FoundDeployment, Remark
from meta_prefect.plan.outcomes import listed
from meta_prefect.recipes.registry import Recipes

FIRST_NAME: Final = "default"
"""The name of a flow's first deployment, before its environment."""

_HINT: Final = "Put Prefect's `@flow` above a function at the top level of a file, or give another folder."


def found_flows(root: Path) -> Found:
    """List the flows of a folder, each with a proposed deployment.

    Raises:
        ProjectFileError: The folder has no flows.
    """
    flows = find_flows(root)
    built = _built(root)
    plain = [flow for flow in flows if flow.name is not None and flow.entrypoint not in built]
    if not plain:
        raise ProjectFileError(
            _none(flows, built), where=str(root), hint=_HINT if not built else "Deploy: `meta-prefect plan`."
        )
    return Found(
        None,
        tuple(_deployment(flow.name or "", flow.entrypoint, flows) for flow in plain),
        tuple(_remarks(flows, built)),
    )


def _built(root: Path) -> set[str]:
    """Return the flows that carry builders and need no entry; only modules that may contain some are imported."""
    decorated, _ = decorated_flows(ProjectModules(root), None, Recipes().packages)
    return {one.entrypoint for one in decorated}


def _none(flows: FoundFlows, built: set[str]) -> str:
    if built:
        return "all flows here carry builders, and are deployed without a project file"
    unread = f"; not read: {listed(map(str, flows.unread))}" if flows.unread else ""
    return f"there are no flows here to begin with{unread}"


def _remarks(flows: FoundFlows, built: set[str]) -> Iterator[Remark]:
    for flow in flows:
        if flow.entrypoint in built:
            yield Remark(flow.entrypoint, "", "this flow carries builders, and is deployed without an entry")
        elif flow.name is None:
            text = "the name of this flow is computed: to deploy it, add an entry under that name, with `entrypoint:`"
            yield Remark(flow.entrypoint, "", text)
    for one in flows.unread:
        yield Remark(one.path, "", f"not read: {one.reason}")


def _deployment(name: str, entrypoint: str, flows: FoundFlows) -> FoundDeployment:
    several = sum(flow.name == name for flow in flows) > 1
    return FoundDeployment(entrypoint, name, entrypoint if several else None, {"name": FIRST_NAME})
