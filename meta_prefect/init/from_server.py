"""Creates entries from a Prefect API's deployments that are not managed yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from meta_prefect.errors import ConfigurationError, TargetError
from meta_prefect.flows import find_flows
from meta_prefect.flows.catalog import FlowCatalog
from meta_prefect.init.found import Found, FoundDeployment, Remark
from meta_prefect.init.live import automations_by_deployment, flow_of, found_deployment
from meta_prefect.interfaces.json_diff import Record, is_mapping
from meta_prefect.interfaces.tags import owner
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.outcomes import counted, listed
from meta_prefect.redaction import without_userinfo
from meta_prefect.server import PrefectServer


@dataclass(frozen=True, slots=True)
class Patterns:
    """Selects deployments: they must match one pattern of each given kind.

    Attributes:
        flows: Patterns for the flow's name.
        tags: Patterns for a tag.
        pools: Patterns for the work pool's name.
    """

    flows: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()

    def match(self, live: LiveDeployment) -> bool:
        """Return whether a deployment is selected."""
        return (
            _matches(self.flows, [live.flow_name])
            and _matches(self.tags, live.record["tags"])
            and _matches(self.pools, [live.record["work_pool_name"] or ""])
        )


def _matches(patterns: Sequence[str], names: Iterable[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


async def found_on_server(server: PrefectServer, root: Path, flows: FlowCatalog, patterns: Patterns) -> Found:
    """Read a server's deployments whose code is in the project's folder.

    Args:
        server: The server.
        root: The project's folder.
        flows: Its flows.
        patterns: Selects the deployments.

    Raises:
        TargetError: No deployment can be taken over.
    """
    there = sorted(await server.read_all_deployments(), key=lambda live: live.full_name)
    meant = [live for live in there if patterns.match(live)]
    automations = automations_by_deployment([one async for one in server.pages("/automations/filter", {})])
    sources = find_flows(root)
    found: list[FoundDeployment] = []
    left: dict[str, list[str]] = {}
    for live in meant:
        flow = flow_of(live, root, sources)
        reason = _left_out(live, is_here=flow is not None)
        if flow is None or reason is not None:
            left.setdefault(reason or "", []).append(live.full_name)
            continue
        description = _description(flows, flow.entrypoint)
        found.append(found_deployment(live, flow, root, sources, description, automations.get(live.id, ())))
    if not found:
        raise _none(server.url, there, meant, list(_remarks(left)))
    return Found(None, tuple(found), tuple(_remarks(left)))


def _none(
    url: str, there: Sequence[LiveDeployment], meant: Sequence[LiveDeployment], left: Sequence[Remark]
) -> TargetError:
    if not there:
        return TargetError(f"there are no deployments on {url}")
    if not meant:
        return TargetError(
            f"none of {counted(len(there), 'deployment')} on {url} matches",
            hint=f"There are: {listed(live.full_name for live in there)}.",
        )
    hint = "\n  ".join(remark.text for remark in left)
    return TargetError(
        f"of {counted(len(meant), 'deployment')} on {url}, none can be taken over into this folder", hint=hint
    )


def _left_out(live: LiveDeployment, *, is_here: bool) -> str | None:
    """Return why a deployment cannot belong to the new project; None if it can."""
    if (project := owner(live.record["tags"])) is not None:
        return f"managed by Meta-Prefect already, in the project {project!r}"
    if live.record["work_pool_name"] is None:
        return "without a work pool: a process serves them (`flow.serve()`), and nothing else can run them"
    if not is_here:
        code = _code_of(live.record["pull_steps"])
        return (
            f"the code of their flows is not in this folder{f', but in {code}' if code else ''}: begin a project there"
        )
    return None


def _code_of(steps: Sequence[Record]) -> str | None:
    """Return where pull steps fetch code from."""
    for inputs in (inputs for step in steps for inputs in step.values() if is_mapping(inputs)):
        for key in ("repository", "directory", "bucket"):
            if isinstance(place := inputs.get(key), str):
                return without_userinfo(place)
    return None


def _description(flows: FlowCatalog, entrypoint: str) -> str | None:
    """Return the flow's own description; None if it cannot be determined here."""
    try:
        flows.read([entrypoint])
        return flows.of(entrypoint).facts.description
    except ConfigurationError:
        return None


def _remarks(left: dict[str, list[str]]) -> Iterator[Remark]:
    for reason, names in left.items():
        yield Remark("left out", "", f"{listed(names)}: {reason}")
