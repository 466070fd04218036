"""The recipe for the deployer's own flows."""

from __future__ import annotations

from pydantic import JsonValue

from meta_prefect import __version__
from meta_prefect.implementations.code.project_source import ProjectSource, project_source
from meta_prefect.implementations.metadata import describer, namer, renamed_from, tags_resolver, versioneer
from meta_prefect.implementations.notification import watch_deployments
from meta_prefect.implementations.run_settings import parameters as filled_in
from meta_prefect.implementations.run_settings import run_form
from meta_prefect.implementations.schedule import Schedules, scheduler
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.project import Enforcement
from meta_prefect.recipes import recipe
from meta_prefect.recipes.registry import Recipes

DEFAULT_RECIPE = "local_run_deployer"


@recipe
def deployer(
    name: str,
    source: ProjectSource,
    runs_by: str = DEFAULT_RECIPE,
    variables: dict[str, JsonValue] | None = None,
    environments: tuple[str, ...] = (),
    about: str | None = None,
    suggestions: dict[str, tuple[str, ...]] | None = None,
    helps: dict[str, str] | None = None,
    hidden: tuple[str, ...] = (),
    parameters: dict[str, JsonValue] | None = None,
    fetch: bool = False,
    schedule: Schedules = None,
    watched_flows: tuple[str, ...] = (),
    watched_environments: tuple[str, ...] = (),
    replaces: str | None = None,
    enforcement: Enforcement = Enforcement(),  # noqa: B008 - frozen
) -> FlowBuilderInterface:
    """Deploy a flow of the deployer for one project, to run in Prefect.

    `meta-prefect bootstrap` writes the entries of this recipe. Where and how the flow runs is what another recipe says; the
    source of the project and the environments that may be chosen are fixed here.

    Args:
        name: The project that it deploys, and the deployment's name.
        source: Where the project comes from.
        runs_by: The recipe that says where it runs.
        variables: The variables of that recipe.
        environments: The environments among which the form lets choose.
        about: What it is for, in Markdown; by default what the flow's docstring says.
        suggestions: Values that the form offers for parameters which are lists of texts, by parameter.
        helps: Help texts of the form, by parameter.
        hidden: Parameters that the form leaves out.
        parameters: Values that the form has filled in.
        fetch: Whether the flow's own code is in the project.
        schedule: When it runs by itself.
        watched_flows: The flows at whose deployments' changes it runs too.
        watched_environments: The environments in which it then runs.
        replaces: A former name of the project: its deployment, whose place this one takes, is deleted.
        enforcement: The policies to which it holds the project, whatever that says itself.
    """
    where = Recipes().find(runs_by, where="runs_by")
    given = dict(variables or {})
    if "name" in where.variables_model.model_fields:
        given.setdefault("name", name)
    builders = (
        where.with_variables(**given)
        | namer(name=name, per_environment=False)
        | describer(text=about)
        | versioneer(version=__version__)
        | tags_resolver(tags=("deployer",))
        | project_source(source=source, fetch=fetch, enforcement=enforcement)
        | _form(environments, run_form(suggestions=suggestions or {}, help=helps or {}, hidden=hidden))
        | filled_in(values=dict(parameters or {}))
        | scheduler(schedule=schedule or ())
    )
    if watched_flows:
        builders |= watch_deployments(flows=watched_flows, environments=watched_environments, at_once=True)
    if replaces:
        builders |= renamed_from(name=replaces, per_environment=False)
    return builders


def _form(environments: tuple[str, ...], form: run_form) -> FlowBuilderInterface:
    if not environments:
        return form
    texts = {"environment": "One of the environments that this deployer serves.", **form.help}
    return form.model_copy(update={"choices": {"environment": environments}, "help": texts})
