"""Collects the deployments that a project requests, without running any flow code."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel

from meta_prefect.engine.drafts import DeploymentRequest
from meta_prefect.engine.selection import Selection
from meta_prefect.errors import ConfigurationError, ProjectFileError, ValidationFailed, nearest
from meta_prefect.flows import FlowSource, check_entrypoint, choose_flow, find_flows, uses_meta_prefect
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.flows.decorated import DecoratedFlow, decorated_flows
from meta_prefect.interfaces.flow_builder_interface import builders_of
from meta_prefect.plan.outcomes import listed
from meta_prefect.plan.remarks import Remark
from meta_prefect.project import (
    Entry,
    Environment,
    Project,
    ProjectPart,
    check_searchable,
    read_project,
    with_environment,
)
from meta_prefect.recipes.layers import layered, takes
from meta_prefect.recipes.recipe import RecipeBuilder
from meta_prefect.recipes.registry import Recipes
from meta_prefect.recipes.variables import check_variables

DECORATED_FLOW_RECIPE = "decorated_flow_deployer"
"""The recipe for flows that carry builders but no recipe."""


@dataclass(frozen=True, slots=True)
class ProjectRequests:
    """The requests of a project.

    Attributes:
        requests: The deployments, each with its recipe, its flow and its validated variables.
        errors: The errors of invalid ones.
        skipped: What is skipped for this environment, and why.
        flows: The flows that the project deploys in any environment.
        beside: Errors of flows that would be selected only through a deployment's name.
    """

    requests: tuple[DeploymentRequest, ...]
    errors: tuple[ConfigurationError, ...]
    skipped: tuple[Remark, ...]
    flows: tuple[str, ...]
    beside: tuple[ConfigurationError, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the project deploys no flow in any environment."""
        return not (self.flows or self.errors)


def requests_of(
    project: Project, flows: ProjectFlows, selection: Selection, environment: str, *, environment_asked: bool
) -> ProjectRequests:
    """Collect the requests from a project's files and from flows that carry builders.

    Args:
        project: The project.
        flows: Its flows; only modules that contain recipes or use Meta-Prefect are loaded.
        selection: The selection.
        environment: The environment to deploy to.
        environment_asked: Whether the environment was named explicitly, so that entries pinned to another one are skipped,
            with a note.
    """
    collected = _Collected(environment, project.environments.find(environment), environment_asked=environment_asked)
    try:
        _check_searchable(project)
        shared = recipes_of(project, flows)
    except ConfigurationError as error:
        return ProjectRequests((), (error,), (), ())
    names: dict[str, None] = {}
    for part in project.parts:
        try:
            recipes = shared if part is project else recipes_of(part, flows, shared)
        except ConfigurationError as error:
            error.asked_for_at(project.place(part.file.name, part))
            collected.errors.append(error)
        else:
            names |= dict.fromkeys(_collect_part(part, project, flows, recipes, selection, collected))
    if not (selection or selection.file or project.chosen or collected.errors):
        collected.errors.extend(collected.unused_defaults())
    requests = [request for request in collected.requests if selection.may_come_from(request.flow)]
    return ProjectRequests(
        tuple(requests), tuple(collected.errors), tuple(collected.skipped), tuple(names), tuple(collected.beside)
    )


def recipes_of(part: ProjectPart, flows: ProjectFlows, shared: Recipes | None = None) -> Recipes:
    """Return the recipes available to a part of a project.

    Args:
        part: The part.
        flows: The project's flows, with its modules.
        shared: Those of the project's own file.

    Raises:
        ConfigurationError: One of its modules cannot be loaded, or contains no recipe or one whose name is taken.
    """
    return Recipes(part.recipes, flows.of(part.root).modules.load_module, shared)


def _collect_part(
    part: ProjectPart,
    project: Project,
    project_flows: ProjectFlows,
    recipes: Recipes,
    selection: Selection,
    collected: _Collected,
) -> list[str]:
    """Collect the requests of a part of a project; return the names of its flows."""
    modules = project_flows.of(part.root).modules
    flows = find_flows(part.root) if part.entries else ()
    for entry in part.entries:
        if not selection.may_include(entry.flow):
            continue
        if not entry.counts_in(collected.environment):
            collected.skipped.append(
                Remark(
                    f"left out of {collected.environment}, counts for {', '.join(entry.environments or ())}",
                    (entry.where,),
                )
            )
            continue
        found = _request(entry, part, recipes, flows, collected)
        collected.add(found, part, project, beside=not selection.names_flow(entry.flow))
    decorated, errors = decorated_flows(modules, part.flows, recipes.packages)
    collected.errors.extend(errors)
    asked = {name for entry in part.entries for name in (entry.flow, entry.entrypoint)}
    for one in decorated:
        if selection.may_include(one.flow.name):
            found = _decorated_request(one, recipes, where=project.place(one.entrypoint, part))
            if isinstance(found, DeploymentRequest) and not asked.isdisjoint((one.flow.name, one.entrypoint)):
                found = replace(found, only_if_placed=True)
            collected.add(found, part, project, beside=not selection.names_flow(one.flow.name))
    return [*(entry.flow for entry in part.entries), *(one.flow.name for one in decorated)]


def check_before_start(path: Path) -> bool:
    """Check, without running any code, whether there is anything to deploy, before a server is started for it.

    Returns:
        Whether there may be something. If not, deployments left by earlier deploys may still be pruned.

    Raises:
        ValidationFailed: The project file is invalid, or this is not a project: it has no deployments and no name to find any by.
    """
    project = read_project(path, required=False)
    try:
        _check_searchable(project)
    except ConfigurationError as error:
        raise ValidationFailed([error]) from None
    packages = Recipes().packages
    if any(part.entries or part.flows is not None or uses_meta_prefect(part.root, packages) for part in project.parts):
        return True
    if not project.name_is_stable:
        raise ValidationFailed([nothing_to_deploy(project)])
    return False


def _check_searchable(project: Project) -> None:
    """Refuse to search a folder for flows that is unlikely to be a project."""
    if not project.file.exists():
        check_searchable(project.root)


def nothing_to_deploy(project: Project, environment: str = "", left: Sequence[str] = ()) -> ConfigurationError:
    """Build the error for a project that requests nothing.

    Args:
        project: The project.
        environment: The environment to deploy to.
        left: The deployments that still exist there.
    """
    here = project.chosen or project
    message = f"nothing to deploy: there is no {here.file.name} with deployments, and no flow here carries a builder"
    hint = "Begin with `meta-prefect init`, or decorate a flow with a builder or with `recipe.with_variables(…)`."
    if names := [flow.name or flow.entrypoint for flow in find_flows(here.root)]:
        hint = f"Flows here: {listed(names)}. {hint}"
    if left:
        message += f"; {project.name} still has in {environment}: {', '.join(left)}"
        hint += f"\n  If they are to go: `meta-prefect deploy --env {shlex.quote(environment)} --prune`."
    return ProjectFileError(message, where=str(here.root), hint=hint)


class _Collected:
    """The findings so far.

    Args:
        environment: The environment to deploy to.
        described: The project's settings for it.
        environment_asked: Whether it was named explicitly.
    """

    def __init__(self, environment: str, described: Environment | None, *, environment_asked: bool) -> None:
        self.environment = environment
        self.described = described
        self.models: list[type[BaseModel]] = []
        self._environment_asked = environment_asked
        self.requests: list[DeploymentRequest] = []
        self.errors: list[ConfigurationError] = []
        self.beside: list[ConfigurationError] = []
        self.skipped: list[Remark] = []

    def unused_defaults(self) -> Iterator[ConfigurationError]:
        """Yield errors for defaults of the environment that no entry's recipe has."""
        if self.described is None or not self.models:
            return
        known = {name for model in self.models for name in model.model_fields}
        for name in self.described.says.defaults:
            if not any(takes(model, name) for model in self.models):
                message = f"no recipe of this project has a variable {name!r}"
                yield self.described.error(message, "defaults", name, hint=nearest(name, known))

    def add(
        self, found: DeploymentRequest | list[ConfigurationError], part: ProjectPart, project: Project, *, beside: bool
    ) -> None:
        """Sort a finding into requests, errors and skipped ones; errors ``beside`` the selection are kept separately."""
        if not isinstance(found, DeploymentRequest):
            (self.beside if beside else self.errors).extend(found)
            return
        pinned = found.recipe.environment(found.variables)
        if self._environment_asked and pinned not in (None, self.environment):
            self.skipped.append(Remark(f"left out of {self.environment}, pinned to {pinned}", (found.where,)))
        else:
            self.requests.append(
                replace(found, folder=part.root.relative_to(project.root), owner=part.owner or project.owner)
            )


def _decorated_request(
    found: DecoratedFlow, recipes: Recipes, where: str
) -> DeploymentRequest | list[ConfigurationError]:
    """Request a flow that carries builders: with the recipe among them, else with the built-in one."""
    carried = [builder for builder in builders_of(found.flow) if isinstance(builder, RecipeBuilder)]
    if carried:
        outermost = carried[-1]
        recipe, variables = outermost.recipe, outermost.variables
        return DeploymentRequest(recipe, found.entrypoint, variables, where, flow_name=found.flow.name)
    try:
        recipe = recipes.find(DECORATED_FLOW_RECIPE, where=where)
    except ConfigurationError as error:
        return [error]
    variables = recipe.variables_model()
    return DeploymentRequest(recipe, found.entrypoint, variables, where, flow_name=found.flow.name)


def _request(
    entry: Entry, part: ProjectPart, recipes: Recipes, flows: tuple[FlowSource, ...], collected: _Collected
) -> DeploymentRequest | list[ConfigurationError]:
    errors: list[ConfigurationError] = []
    try:
        if entry.entrypoint is not None:
            source = check_entrypoint(part.root, entry.entrypoint, where=entry.locate("entrypoint"))
        else:
            source = choose_flow(flows, entry.flow, where=entry.where)
    except ConfigurationError as error:
        errors.append(error)
        source = None
    try:
        recipe = recipes.find(entry.recipe, where=entry.locate("recipe"))
    except ConfigurationError as error:
        return [*errors, error]
    collected.models.append(recipe.variables_model)
    written = layered(entry, collected.environment, collected.described, recipe.variables_model)
    variables, unset = with_environment(written.values, written.locate)
    if unset:
        return [*errors, *unset]
    checked = check_variables(recipe.variables_model, variables, recipe.recipe_name, written.locate)
    if not isinstance(checked, BaseModel):
        return [*errors, *checked]
    if source is None:
        return errors
    asked_by_name = entry.entrypoint is None or source.name == entry.flow
    return DeploymentRequest(
        recipe,
        source.entrypoint,
        checked,
        entry.where,
        written.locate,
        entry.flow,
        variables,
        name_in_source=source.name if asked_by_name else None,
    )
