"""From an entry to a draft: the flow is loaded, its facts are taken, its builders put in order."""

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
    """One deployment that somebody asks for.

    Attributes:
        recipe: The recipe that makes it.
        flow: The flow's entrypoint.
        variables: The recipe's variables, validated.
        where: Where it was asked for.
        locate: Gives the place of a part of it.
        flow_name: The flow's name as it was asked for, where that is known before the flow is loaded.
        written: The variables as they were written.
        folder: The folder of the part of the project that asks for it, to which the entrypoint is relative.
        owner: Who answers for it.
        name_in_source: The flow's name by its source, where it was asked for by that.
        only_if_placed: Whether it counts only where its builders say where it runs: an entry asks for the flow, and its builders
            may be meant for that.
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
        """Where the value that an error is about was written; None where that is not known, or the request is in code."""
        place = written_at(self.written, error)
        return self.locate("variables", *place) if place else None

    def as_entry(self) -> dict[str, Any]:
        """The request as it is shown among the parameters of the recipe's run: JSON, in which secret types are masked."""
        is_file = ":" in self.flow
        flow = (self.folder / self.flow).as_posix() if is_file else self.flow
        return {"flow": flow, "variables": self.variables.model_dump(mode="json", exclude_unset=True)}


def draft(request: DeploymentRequest, context: DeployContext, project: ProjectFlows) -> Draft | ConfigurationError:
    """Begin a deployment: load its flow and ask for its builders; what goes wrong is returned.

    A flow's own builders come first; the recipe's, which is asked for by name, come after them and override. Where the flow
    carries the recipe itself, the recipe's builders stand where it stands.
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
    """Refuse a flow whose name is another one than its source tells: nobody would find it under the one that was asked for.

    Raises:
        FlowNotFoundError: Its name is another one.
    """
    if request.name_in_source not in (None, name):
        raise FlowNotFoundError(
            f"{request.flow!r} is named {name!r} once it is imported, not {request.name_in_source!r}: a decorator below `@flow` "
            "replaces the function",
            where=request.where,
            hint=f"Let that decorator use `functools.wraps(function)`, or write `@flow(name={request.name_in_source!r})`.",
        )


def default_name(entrypoint: str, flow: FlowEntry, environment: str) -> str:
    """The name of a flow's deployment in code where no builder gives one: that of the module-level name.

    The flow's own function has no name beside the flow's: its deployment is the default one. A recipe that is asked for in
    the project file names its deployments itself.
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
    """Take compositions apart, and recipes that other recipes build on: what they make depends on the environment."""
    for builder in builders:
        for single in flatten(builder):
            if isinstance(single, RecipeBuilder):
                yield from singles(single.single_builders(environment), environment)
            else:
                yield single
