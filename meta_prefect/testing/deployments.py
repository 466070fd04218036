"""Deployments as a deploy would write them, without deploying."""

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
    """A deployment once all its builders have had their say.

    Attributes:
        components: What must exist before it is written, each before what requires it.
        recipe: The name of the recipe that made it; empty where single builders did.
        variables: What that recipe was told, as JSON.
        remarks: What else its user is told.
    """

    components: tuple[Any, ...] = Field(default=(), repr=False)
    recipe: str = ""
    variables: dict[str, Any] = Field(default={})
    remarks: tuple[str, ...] = ()

    def needs(self, kind: type[C]) -> list[C]:
        """What it needs of one class of components."""
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
    """Make the deployment that a deploy would write; :func:`~meta_prefect.testing.violations_of` holds it against policies.

    Builders that the flow carries come first, as in a deploy; what the builders refuse, and what a deploy checks before its first
    write, is refused here. Job variables are checked against the template of the deployment's pool where that is known: Prefect's
    own with what the builders add, or the one of ``live``.

    Args:
        flow: A flow, or an entrypoint in the folder ``source``.
        builders: A recipe with its variables (``recipe.with_variables(…)``), or builders; the last one overrides.
        environment: The environment that is deployed to; one that a recipe's variables pin counts instead.
        project: The project that owns it.
        source: The project's folder; by default that of the flow's file, for an entrypoint the present one.
        now: The moment of the deploy, with its UTC offset, from which days off are worked out; by default the present one.
        live: What there is on the server; by default nothing can be said to be missing.

    Raises:
        ValidationFailed: Everything that a deploy would refuse.
        ConfigurationError: The flow cannot be loaded, or a recipe's function raised.
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
    """Make all deployments that a project asks for, by ``flow/deployment``; policies that are in force have had their say.

    Args:
        project: The project's folder, or a file in it.
        environment: The environment that is deployed to.
        now: The moment of the deploy, with its UTC offset; by default the present one.

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
