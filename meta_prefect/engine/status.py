"""Determines the status of a project from its files and the server; writes nothing."""

from __future__ import annotations

from pathlib import Path

from meta_prefect.engine.compare import PlannedBatch
from meta_prefect.engine.plan_input import PlanInput
from meta_prefect.engine.project_plan import plan_project
from meta_prefect.engine.resolve import needed_by
from meta_prefect.errors import ValidationFailed
from meta_prefect.git import same_files
from meta_prefect.interfaces.commits import short_commit
from meta_prefect.interfaces.components import ComponentKey
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.tags import DEPLOYERS, deployers_of
from meta_prefect.plan.changes import Change, Unchanged
from meta_prefect.plan.code_moves import move_of, without_move
from meta_prefect.plan.deployment_record import desired_record
from meta_prefect.plan.ownership import has_lost_its_mark, lost_mark_message
from meta_prefect.plan.saved_plan import fingerprint_of_component
from meta_prefect.plan.status import ComponentStatus, ProjectStatus, component_status, orphan_status, status_of
from meta_prefect.server import PrefectServer
from meta_prefect.state.saved_plans import applied_components


async def project_status(inputs: PlanInput, server: PrefectServer) -> ProjectStatus:
    """Compare what was applied, what is live and what the project wants.

    Args:
        inputs: The input, including the selection.
        server: The Prefect API.

    Raises:
        ValidationFailed: The project is invalid.
    """
    # As an automatic deploy would see it, which respects every hold.
    planned = await plan_project(inputs.without_denials().automatically(), server.host, server)
    if planned.errors:
        raise ValidationFailed(planned.errors)
    batch = planned.batch
    last = await server.read_last_entries(
        inputs.project.names,
        [str(one) for one in (*batch.deployments, *batch.orphans)],
        live={str(one): one.live for one in (*batch.deployments, *batch.orphans) if one.live is not None},
        unconfirmed=True,
    )
    changes = [one.change for one in batch.deployments]
    remarks: tuple[str, ...] = ()
    moves = [move for move in planned.moves if move.leaves_shared]
    if moves and await server.read_owned(deployers_of(inputs.project.names), DEPLOYERS):
        changes = [_as_deployer_would(change, inputs.context) for change in changes]
        commits = dict.fromkeys(short_commit(move.before.commit) for move in moves if move.before.commit)
        remarks = (f"deployed from Git at {', '.join(commits)}",) if commits else ()
    deployments = [
        *(
            status_of(change, desired_record(one.wanted.deployment, one.live), last.get(str(one)))
            for change, one in zip(changes, batch.deployments, strict=True)
        ),
        *(orphan_status(one.change, last.get(str(one))) for one in batch.orphans),
    ]
    components = await _components(batch, inputs, server)
    lost = [
        f"{one}: {lost_mark_message(str(one), inputs.project.name)}"
        for one in batch.deployments
        if one.live is not None
        and (found := last.get(str(one))) is not None
        and has_lost_its_mark(one.live, found.entry.id, found.entry.after, inputs.project.names)
    ]
    remarks = (*remarks, *lost, *server.unsound.values())
    return ProjectStatus(
        version=1,
        project=inputs.project.name,
        environment=inputs.context.environment,
        can_run=all(one.state != "offline" for one in components),
        in_sync=all(one.is_settled for one in deployments) and all(one.is_in_sync for one in components),
        deployments=tuple(deployments),
        components=components,
        **({"remarks": remarks} if remarks else {}),
    )


async def _components(batch: PlannedBatch, inputs: PlanInput, server: PrefectServer) -> tuple[ComponentStatus, ...]:
    differing = [str(one.change.subject) for one in batch.components if not isinstance(one.change, Unchanged)]
    project, environment = inputs.project.names, inputs.context.environment
    applied = await applied_components(project, environment, differing, server) if differing else {}
    needing: dict[ComponentKey, list[str]] = {}
    for one in batch.deployments:
        for key in sorted(needed_by([one.wanted])):
            needing.setdefault(key, []).append(str(one))
    return (
        *(
            component_status(
                one.change,
                needing.get(one.wanted.key, ()),
                as_applied=applied.get(str(one.change.subject)) == fingerprint_of_component(one.wanted),
            )
            for one in batch.components
        ),
        *(component_status(one.change, (), as_applied=False) for one in batch.leaving),
    )


def _as_deployer_would(change: Change, context: DeployContext) -> Change:
    """Return what the deployer would do, as far as a clone can tell: of the code, only a different commit counts."""
    move = move_of(change)
    if move is None or not move.leaves_shared or move.before.commit is None or context.commit is None:
        return change
    live = move.before.commit
    is_same = context.commit == live or same_files(Path(context.source), context.commit, live)
    return without_move(change) if is_same else change
