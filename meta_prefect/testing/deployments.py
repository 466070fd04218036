"""Builds deployments as a deploy would write them, without deploying."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field

from meta_prefect.engine.compare import compare
from meta_prefect.engine.drafts import default_name, singles
from meta_prefect.engine.resolve import Draft, build
from meta_prefect.errors import ValidationFailed
from meta_prefect.flows.catalog import FlowEntry, ProjectFlows, entry_of
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface, flatten
from meta_prefect.recipes.recipe import RecipeBuilder
from meta_prefect.server import NoServer
from meta_prefect.testing.in_memory import InMemoryHost

if TYPE_CHECKING:
    from prefect import Flow

    from meta_prefect.testing.live import Live

C = TypeVar("C", bound=Component)

__all__ = ["ReadyDeployment", "deployment_of", "deployments_of"]


class ReadyDeployment(Deployment):
    """A deployment after all its builders have run.

    Attributes:
        components: The components it requires, each before those that require it.
        recipe: The name of the recipe that made it; empty if made by individual builders.
        variables: The recipe's variables as JSON.
        remarks: Further remarks shown to the user.
    """

    components: tuple[Any, ...] = Field(default=(), repr=False)
    recipe: str = ""
    variables: dict[str, Any] = Field(default={})
    remarks: tuple[str, ...] = ()

    def needs(self, kind: type[C]) -> list[C]:
        """Return the required components of one class."""
        return [one for one in self.components if isinstance(one, kind)]


def deployment_of(
    flow: Flow[..., Any] | str,
    *builders: FlowBuilderInterface,
    environment: str = "dev",
    project: str = "tests",
    source: Path | None = None,
    now: datetime | None = None,
    live: Live | None = None,
) -> ReadyDeployment:
    """Build the deployment that a deploy would write; to check policies, see :func:`~meta_prefect.testing.violations_of`.

    Builders attached to the flow apply first, as in a deploy; errors from builders and from a deploy's checks before its
    first write are raised here too. Job variables are checked against the template of the deployment's pool if it is known:
    Prefect's own with the builders' additions, or the one from ``live``.


    Args:
        flow: A flow, or an entrypoint in the folder ``source``.
        builders: A recipe with its variables (``recipe.with_variables(…)``), or builders; the last one overrides.
        environment: The environment to deploy to; one pinned by the recipe's variables takes precedence.
        project: The project that owns it.
        source: The project's folder; defaults to that of the flow's file, or to the current one for an entrypoint.
        now: The time of the deploy, with a UTC offset, from which days off are computed; defaults to the current time.
        live: The state of the server; by default unknown, so that nothing is reported as missing.

    Raises:
        ValidationFailed: All errors that a deploy would report.
        ConfigurationError: The flow cannot be loaded, or a recipe's function raised an exception.
    """
    entry = _entry(flow, source)
    given = [one for builder in builders for one in flatten(builder)]
    of_recipes = [one for one in given if isinstance(one, RecipeBuilder)]
    pinned = (one.recipe.environment(one.variables) for one in reversed(of_recipes))
    environment = next((name for name in pinned if name is not None), environment)
    context = DeployContext(
        project=project,
        source=entry.facts.source,
        environment=environment,
        now=now or datetime.now(UTC),
        deploy_id="tests",
    )
    chain = tuple(singles((*entry.builders, *given), environment))
    name = default_name(entry.facts.entrypoint, entry, environment)
    begun = Deployment(flow=entry.facts, context=context, environment=environment, name=name)
    last = of_recipes[-1] if of_recipes else None
    draft = Draft(
        f"{entry.facts.name} in {environment}",
        chain,
        begun,
        flow_requires=entry.requires,
        recipe=last.recipe.recipe_name if last else "",
        variables=last.as_entry if last else dict[str, Any],
    )
    server = live or NoServer(InMemoryHost())
    build([draft], server.host)
    asyncio.run(compare([draft], server))
    if draft.errors:
        raise ValidationFailed(draft.errors)
    return _ready(draft)


def deployments_of(
    project: Path | str, *, environment: str = "dev", now: datetime | None = None
) -> dict[str, ReadyDeployment]:
    """Build all deployments of a project, by ``flow/deployment``; policies in force have been applied.

    Args:
        project: The project's folder, or a file in it.
        environment: The environment to deploy to.
        now: The time of the deploy, with a UTC offset; defaults to the current time.

    Raises:
        ValidationFailed: Everything that is wrong with the project.
    """
    from meta_prefect.testing.plans import planned

    plan = planned(Path(project), environment, now, None)
    return {str(one): _ready(one.wanted) for one in plan.batch.deployments}


def _ready(draft: Draft) -> ReadyDeployment:
    return ReadyDeployment(
        **dict(draft.deployment),
        components=draft.components,
        recipe=draft.recipe,
        variables=dict(draft.variables()),
        remarks=draft.remarks,
    )


def _entry(flow: Flow[..., Any] | str, source: Path | None) -> FlowEntry:
    if isinstance(flow, str):
        root = (source or Path()).resolve()
        return ProjectFlows(root, from_source=False).of(root).of(flow)
    file = Path(flow.fn.__code__.co_filename).resolve()
    root = (source or file.parent).resolve()
    path = file.relative_to(root) if file.is_relative_to(root) else Path(file.name)
    return entry_of(flow, f"{path.as_posix()}:{flow.fn.__name__}", root)
