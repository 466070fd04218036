"""From a project to the deployments that it asks for, without running any flow's code."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from meta_prefect.discovery import FlowSource, check_entrypoint, choose_flow, find_flows
from meta_prefect.discovery.modules import ProjectModules
from meta_prefect.errors import ConfigurationError
from meta_prefect.project import Entry, Project
from meta_prefect.recipes.drafting import Request
from meta_prefect.recipes.finding import Recipes
from meta_prefect.recipes.selection import Selection
from meta_prefect.recipes.variables import check_variables


@dataclass(frozen=True, slots=True)
class Requested:
    """What a project asks for.

    Attributes:
        requests: The deployments, each with its recipe, its flow and its validated variables.
        errors: What is wrong with others.
        skipped: What is left out for this environment, and why.
        flows: The flows that the project deploys, in whatever environment.
    """

    requests: tuple[Request, ...]
    errors: tuple[ConfigurationError, ...]
    skipped: tuple[str, ...]
    flows: tuple[str, ...]


def requests_of(
    project: Project, modules: ProjectModules, selection: Selection, environment: str, *, pinned_elsewhere_is_said: bool
) -> Requested:
    """List the deployments that a project file asks for.

    Args:
        project: The project.
        modules: Its modules; only those that hold recipes are loaded.
        selection: Which flows are meant.
        environment: The environment that is deployed to.
        pinned_elsewhere_is_said: Whether the environment was asked for by name, so that an entry which pins another one is
            skipped, and said to be.
    """
    try:
        recipes = Recipes(project.recipes, modules.load_module)
    except ConfigurationError as error:
        return Requested((), (error,), (), ())
    flows = find_flows(project.root)
    requests: list[Request] = []
    errors: list[ConfigurationError] = []
    skipped: list[str] = []
    for entry in project.entries:
        if not selection.may_include(entry.flow):
            continue
        if not entry.counts_in(environment):
            skipped.append(f"{entry.where} counts for {', '.join(entry.environments or ())}, not for {environment}")
            continue
        match _request(entry, project, recipes, flows):
            case Request() as request:
                pinned = request.recipe.environment(request.variables)
                if pinned_elsewhere_is_said and pinned not in (None, environment):
                    skipped.append(f"{entry.where} is pinned to {pinned}, and {environment} was asked for")
                else:
                    requests.append(request)
            case found:
                errors.extend(found)
    return Requested(tuple(requests), tuple(errors), tuple(skipped), tuple(entry.flow for entry in project.entries))


def _request(
    entry: Entry, project: Project, recipes: Recipes, flows: tuple[FlowSource, ...]
) -> Request | list[ConfigurationError]:
    errors: list[ConfigurationError] = []
    try:
        if entry.entrypoint is not None:
            source = check_entrypoint(project.root, entry.entrypoint, where=entry.locate("entrypoint"))
        else:
            source = choose_flow(flows, entry.flow, where=entry.where)
    except ConfigurationError as error:
        errors.append(error)
        source = None
    try:
        recipe = recipes.find(entry.recipe, where=entry.locate("recipe"))
    except ConfigurationError as error:
        return [*errors, error]
    checked = check_variables(recipe.variables_model, entry.variables, recipe.recipe_name, entry.locate)
    if not isinstance(checked, BaseModel):
        return [*errors, *checked]
    if source is None:
        return errors
    return Request(recipe, source.entrypoint, checked, entry.where, entry.locate)
