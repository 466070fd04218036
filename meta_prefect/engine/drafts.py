"""Turns requests into drafts: loads the flow, takes its facts and orders its builders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from meta_prefect.engine.resolve import Draft
from meta_prefect.errors import ConfigurationError, FlowNotFoundError
from meta_prefect.flows.catalog import FlowEntry, ProjectFlows
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface, flatten
from meta_prefect.recipes.recipe import Recipe, RecipeBuilder
from meta_prefect.recipes.variable_errors import written_at


@dataclass(frozen=True, slots=True)
class DeploymentRequest:
    """One requested deployment.

    Attributes:
        recipe: The recipe that makes it.
        flow: The flow's entrypoint.
        variables: The recipe's variables, validated.
        where: Where it was requested.
        locate: Returns the position of a part of it.
        flow_name: The flow's name as requested, if known before the flow is loaded.
        written: The variables as written.
        folder: The folder of the requesting part of the project, which the entrypoint is relative to.
        owner: Who is responsible for it.
        name_in_source: The flow's name in its source, if it was requested by name.
        only_if_placed: Whether it counts only if its builders define where it runs; an entry requests the same flow, and its
            builders may be meant for that.
    """

    recipe: Recipe
    flow: str
    variables: BaseModel
    where: str
    locate: Callable[..., str] = field(default=lambda *_: "", repr=False)
    flow_name: str = ""
    written: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    folder: Path = Path()
    owner: str | None = None
    name_in_source: str | None = None
    only_if_placed: bool = False

    def place_of(self, error: ConfigurationError) -> str | None:
        """Return the position of the value an error is about; None if unknown, or if the request is in code."""
        place = written_at(self.written, error)
        return self.locate("variables", *place) if place else None

    def as_entry(self) -> dict[str, Any]:
        """Return the request as JSON for the parameters of the recipe's run, with secret types masked."""
        is_file = ":" in self.flow
        flow = (self.folder / self.flow).as_posix() if is_file else self.flow
        return {"flow": flow, "variables": self.variables.model_dump(mode="json", exclude_unset=True)}


def draft(request: DeploymentRequest, context: DeployContext, project: ProjectFlows) -> Draft | ConfigurationError:
    """Start a deployment: load its flow and get its builders; errors are returned.

    The flow's own builders apply first; the requested recipe's come after them and override them. If the flow itself carries
    the recipe, its builders stay in their place.
    """
    environment = request.recipe.environment(request.variables) or context.environment
    flows = project.of(Path(context.source) / request.folder)
    of_recipe = project.modules_around(request.recipe.function, flows.modules)
    try:
        flow = flows.of(request.flow, where=request.where)
        _check_name(request, flow.facts.name)
        with of_recipe.imported():
            asked = tuple(singles(request.recipe.builders(request.variables, environment), environment))
        with flows.modules.imported():
            builders = _chain(request, asked, flow.builders, environment)
    except ConfigurationError as error:
        error.asked_for_at(request.place_of(error) or request.where)
        return error
    begun = Deployment(
        flow=flow.facts,
        context=context,
        environment=environment,
        name=default_name(request.flow, flow, context.word_for(environment)),
        smoke=context.smoke and context.smoke.fitting(flow.facts.parameter_schema),
    )
    return Draft(
        request.where,
        builders,
        begun,
        flow_requires=flow.requires,
        place_of=request.place_of,
        home=flows.modules.imported,
        elsewhere={id(one): of_recipe.imported for one in asked},
        marks=(f"owner={request.owner}",) if request.owner else (),
        recipe=request.recipe.recipe_name,
        variables=lambda: request.as_entry()["variables"],
    )


def _check_name(request: DeploymentRequest, name: str) -> None:
    """Reject a flow whose actual name differs from that in its source: it could not be found under the requested name.

    Raises:
        FlowNotFoundError: The name differs.
    """
    if request.name_in_source not in (None, name):
        raise FlowNotFoundError(
            f"{request.flow!r} is named {name!r} once it is imported, not {request.name_in_source!r}: a decorator below `@flow` "
            "replaces the function",
            where=request.where,
            hint=f"Let that decorator use `functools.wraps(function)`, or write `@flow(name={request.name_in_source!r})`.",
        )


def default_name(entrypoint: str, flow: FlowEntry, environment: str) -> str:
    """Return the default name of a deployment defined in code: the module-level name it is assigned to.

    The flow's own function needs no further name: its deployment is the default one. A recipe requested in the project file
    names its deployments itself.
    """
    if not flow.builders:
        return ""
    name = entrypoint.rpartition(":")[2].rpartition(".")[2]
    purpose = "default" if name == flow.function else name.replace("_", "-")
    return f"{purpose}-{environment}"


def _chain(
    request: DeploymentRequest,
    asked: tuple[FlowBuilderInterface, ...],
    carried: tuple[FlowBuilderInterface, ...],
    environment: str,
) -> tuple[FlowBuilderInterface, ...]:
    chain: list[FlowBuilderInterface] = []
    placed = False
    for builder in carried:
        if not isinstance(builder, RecipeBuilder):
            chain.append(builder)
        elif builder.recipe.function is request.recipe.function:
            chain.extend(asked)
            placed = True
        else:
            chain.append(builder)
    if not placed:
        chain.extend(asked)
    return tuple(singles(chain, environment))


def singles(builders: Iterable[FlowBuilderInterface], environment: str) -> Iterator[FlowBuilderInterface]:
    """Flatten compositions and recipes used by other recipes, whose builders depend on the environment."""
    for builder in builders:
        for single in flatten(builder):
            if isinstance(single, RecipeBuilder):
                yield from singles(single.single_builders(environment), environment)
            else:
                yield single
