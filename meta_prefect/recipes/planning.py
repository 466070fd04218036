"""Planning a whole project in memory: every recipe, every builder, one comparison with the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from meta_prefect.discovery.sharing import modules_of
from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.api import Host
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.plan.changes import Change, Unchanged, Update
from meta_prefect.plan.resolving import Draft
from meta_prefect.project import Project
from meta_prefect.recipes.drafting import Request, draft
from meta_prefect.recipes.recipe import Recipe
from meta_prefect.recipes.requests import Requested, requests_of
from meta_prefect.recipes.selection import Selection
from meta_prefect.report import Action, Outcome
from meta_prefect.server import Reader, ui_url
from meta_prefect.steps.building import build
from meta_prefect.steps.planning import PlannedBatch, PlannedComponent, PlannedDeployment, compare


class ProjectPlan:
    """What a deploy of a project will do.

    Args:
        requests: The sound requests, one for each of the batch's deployments.
        batch: What is to happen to each.
        errors: What is wrong with the others.
        skipped: What was left out for this environment, and why.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        batch: PlannedBatch,
        errors: Sequence[ConfigurationError],
        skipped: Sequence[str],
    ) -> None:
        self.requests = tuple(requests)
        self.batch = batch
        self.errors = tuple(errors)
        self.skipped = tuple(skipped)

    @property
    def versions(self) -> dict[str, str]:
        """The versions that this plan fixed, by ``flow/deployment``."""
        return {
            change.subject.name: version
            for change in self.batch.plan.deployments
            if (version := planned_version(change)) is not None
        }

    def by_recipe(self) -> list[tuple[Recipe, list[Request]]]:
        """The requests that lead to a write, by recipe in the order of the project.

        An unchanged deployment goes along where something that it needs is to be written, such as a worker that died.
        """
        needed = {
            planned.component.key for planned in self.batch.components if not isinstance(planned.change, Unchanged)
        }
        groups: dict[int, tuple[Recipe, list[Request]]] = {}
        for request, planned in zip(self.requests, self.batch.deployments, strict=True):
            waits = any(component.key in needed for component in planned.draft.components)
            if waits or not isinstance(planned.change, Unchanged):
                _, group = groups.setdefault(id(request.recipe.function), (request.recipe, []))
                group.append(request)
        return list(groups.values())

    def outcomes(self) -> tuple[Outcome, ...]:
        """What would happen to each deployment."""
        return tuple(
            _foreseen(request, planned) for request, planned in zip(self.requests, self.batch.deployments, strict=True)
        )

    def refused(self) -> tuple[Outcome, ...]:
        """What is wrong, as the outcomes of a deploy that keeps going without it."""
        return tuple(
            Outcome(deployment=error.where or "project", recipe="", action="failed", detail=str(error))
            for error in self.errors
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else whoever deploys should know."""
        found = (*self.skipped, *(remark for change in self.batch.plan for remark in change.remarks))
        return tuple(dict.fromkeys(found))


def planned_version(change: Change) -> str | None:
    """The version that a deployment will have; None where it is not to be written."""
    match change:
        case Unchanged():
            return None
        case _:
            return getattr(change, "after", {}).get("version")


def _foreseen(request: Request, planned: PlannedDeployment) -> Outcome:
    change = planned.change
    actions: dict[str, Action] = {"Create": "created", "Update": "updated", "Unchanged": "unchanged"}
    live = planned.live
    return Outcome(
        deployment=str(planned),
        recipe=request.recipe.recipe_name,
        action=actions[type(change).__name__],
        version=planned_version(change) or (live.record["version"] if live else None),
        detail=change.reason
        if isinstance(change, Unchanged)
        else ", ".join(field.path for field in change.fields)
        if isinstance(change, Update)
        else "",
        id=live.id if live else None,
        url=ui_url("deployment", live.id) if live else None,
    )


def read_requests(
    project: Project, context: DeployContext, selection: Selection, *, environment_asked: bool
) -> Requested:
    """List what a project asks for; loads its recipes, runs no flow's code."""
    modules = modules_of(project.root)
    return requests_of(project, modules, selection, context.environment, environment_asked=environment_asked)


async def plan_requests(
    requested: Requested, context: DeployContext, selection: Selection, host: Host, server: Reader
) -> ProjectPlan:
    """Resolve everything in memory, read the server in batches, compare. Reads only.

    Args:
        requested: What the project asks for.
        context: The deploy.
        selection: Which deployments are meant.
        host: This host.
        server: What is read from.
    """
    errors = list(requested.errors)
    pairs: list[tuple[Request, Draft]] = []
    modules = modules_of(Path(context.source))
    for request in requested.requests:
        match draft(request, context, modules):
            case Draft() as begun:
                pairs.append((request, begun))
            case error:
                errors.append(error)
    build([begun for _, begun in pairs], host, modules.imported)
    known = [(begun.deployment.flow.name, begun.deployment.name) for _, begun in pairs if not begun.errors]
    pairs = [
        (request, begun)
        for request, begun in pairs
        if begun.errors or selection.includes(begun.deployment.flow.name, begun.deployment.name)
    ]
    if not errors:
        errors.extend(selection.unmatched(requested.flows, known))
    batch = await compare([begun for _, begun in pairs], server)
    errors.extend(error for _, begun in pairs for error in begun.errors)
    sound = {id(planned.draft) for planned in batch.deployments}
    needed = {component.key for planned in batch.deployments for component in planned.draft.components}
    components: list[PlannedComponent] = [one for one in batch.components if one.component.key in needed]
    return ProjectPlan(
        [request for request, begun in pairs if id(begun) in sound],
        PlannedBatch(components, batch.deployments),
        errors,
        requested.skipped,
    )
