"""``@recipe``: turns a typed function that returns builders into a Prefect flow that deploys flows with them."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast, overload

from docstring_parser import parse
from prefect.flows import Flow
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticSerializationError

from meta_prefect.errors import BuilderError, RecipeError, first_line, hint_of, noted
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import Chain, FlowBuilderInterface, flatten
from meta_prefect.recipes.deploy_flow import DeployFlow
from meta_prefect.recipes.shape import Shape, extended_variables, in_words, renamed
from meta_prefect.recipes.variables import ENVIRONMENT_VARIABLE, check_json, check_variables, groups_of, variables_model

if TYPE_CHECKING:
    from meta_prefect.engine.compare import PlannedBatch
    from meta_prefect.report import Report

RecipeFunction = Callable[..., FlowBuilderInterface]


class Recipe(DeployFlow[..., Any]):
    """A flow that deploys flows in a uniform way.

    Its parameters are ``deployments``, a list of entries ``{flow: <entrypoint>, variables: {…}}``, and optionally the
    ``environment``, when run on its own, or the ``context`` of the deploy it is part of. Called outside an event loop, it
    runs to completion; inside one, it returns an awaitable, like any asynchronous flow.


    Args:
        function: Takes the recipe's variables and returns a builder; its docstring is the recipe's description.
        name: The flow's name; defaults to the function's, hyphenated.
        shape: How its variables differ from the function's parameters.
    """

    def __init__(self, function: RecipeFunction, *, name: str | None = None, shape: Shape | None = None) -> None:
        self.function = function
        self._shape = shape or Shape()
        own = variables_model(function, but_first=self._shape.extends is not None)
        self.variables_model: type[BaseModel] = self._shape.of(own, f"recipe {function.__name__}")
        self._own = tuple(own.model_fields)
        self._groups = groups_of(function)
        self.entry_model: type[BaseModel] = _entry_model(function, self.variables_model)
        super().__init__(
            self._as_flow_function(),
            name=name,
            description=inspect.getdoc(function),
            flow_run_name=partial(_run_name, function.__name__),
        )
        if "items" not in self.parameters.properties.get("deployments", {}):
            # Prefect silently omits from a flow's form what it cannot describe.
            check_json(function, self.variables_model)

    @property
    def recipe_name(self) -> str:
        """Its name in the project file."""
        return self.function.__name__

    @property
    def entrypoint(self) -> str:
        """Its module entrypoint: ``package.module.function``."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return parse(inspect.getdoc(self.function) or "").short_description or ""

    def carrying_out(self, part: PlannedBatch, run_name: str) -> Recipe:
        """Return a flow for the run that applies its part of a plan made in the same process.

        The plan is not a parameter, because it contains arbitrary objects and may exceed the size limit. The flow's function
        holds it, so that a retry applies the same plan. The parameters only show what the plan was made from.

        Args:
            part: The part of the plan to apply.
            run_name: The name of the run.
        """
        made = self.with_options(flow_run_name=run_name, validate_parameters=False)
        made.fn = self._as_flow_function(part)
        return made

    def _as_flow_function(self, part: PlannedBatch | None = None) -> Callable[..., Awaitable[Report]]:
        recipe = self

        async def run(deployments: Any, environment: str | None = None, context: Any = None) -> Report:
            # Imported here, because code that only decorates a flow with a recipe does not deploy it.
            from meta_prefect.engine.observed import in_words
            from meta_prefect.engine.recipe_run import run_recipe

            return await in_words(run_recipe(recipe, deployments, context, environment, part))

        entries: Any = list[self.entry_model]
        run.__annotations__ = {
            "deployments": Annotated[entries, Field(title="Deployments")],
            "environment": Annotated[str | None, Field(title="Environment")],
            "context": Annotated[DeployContext | None, Field(title="Part of")],
        }
        run.__name__ = self.function.__name__
        run.__qualname__ = self.function.__qualname__
        run.__module__ = self.function.__module__
        run.__doc__ = _flow_docstring(self.function)
        return run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Deploy a list of flows.

        Raises:
            ValidationFailed: An entry is invalid; nothing was written.
            DeployFailed: Some deployments could not be written.
            RecipeError: It was used as a decorator.
        """
        if args and isinstance(args[0], Flow | FlowBuilderInterface):
            given = f"the flow {args[0].name!r}" if isinstance(args[0], Flow) else f"{args[0]!r}"
            raise RecipeError(
                f"takes a list of entries, not {given}",
                where=f"recipe {self.recipe_name}",
                hint=f"To decorate a flow, write `{self.recipe_name}.with_variables(…)`.",
            )
        made: Any = super().__call__(*args, **kwargs)  # pyright: ignore[reportUnknownMemberType] - partly untyped in Prefect
        if inspect.iscoroutine(made) and not _loop_runs():
            return asyncio.run(made)
        return made

    def __get__(self, instance: object, owner: object) -> Recipe:
        """Bind like a flow, but stay a recipe."""
        return cast("Recipe", super().__get__(instance, owner))

    def with_options(self, **options: Any) -> Recipe:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return a recipe with other flow options; for the options see :meth:`prefect.Flow.with_options`."""
        made: Any = copy.copy(self)
        made.__dict__.update(super().with_options(**options).__dict__)
        return made

    def with_variables(self, **variables: Any) -> RecipeBuilder:
        """Return a builder with these variables: the equivalent, in code, of an entry in the project file.

        Raises:
            RecipeError: The variables are invalid.
        """
        call = f"{self.recipe_name}.with_variables"
        checked = check_variables(
            self.variables_model,
            variables,
            self.recipe_name,
            lambda *place: f"{call}({'.'.join(map(str, place[1:]))}=…)" if place[1:] else call,
        )
        if not isinstance(checked, BaseModel):
            raise _together(checked)
        builder = RecipeBuilder(self, checked)
        try:
            builder.as_entry()
        except PydanticSerializationError as error:
            raise RecipeError(f"a variable has no JSON form: {error}", where=call) from None
        return builder

    def preset(self, recipe_name: str, /, *, defaults: Mapping[str, Any] | None = None, **fixed: Any) -> Recipe:
        """Derive a recipe with some variables fixed: ``etl = kubernetes_run_deployer.preset("etl", …)``.

        Args:
            recipe_name: Its name, which must equal the module-level name it is assigned to.
            defaults: Changed defaults of variables that entries may still set.
            fixed: Values of variables that entries can no longer set.

        Raises:
            RecipeError: A variable does not exist, or its value is invalid.
        """
        where = f"recipe {recipe_name}"
        if not recipe_name.isidentifier():
            raise RecipeError(
                f"{recipe_name!r} is no name in Python", where=where, hint="Bind it to a name, and give that."
            )
        shape = self._shape.narrowed(self.variables_model, fixed, dict(defaults or {}), where)
        first, _, rest = (inspect.getdoc(self.function) or "").partition("\n")
        text = f"{first}\n\n`{self.recipe_name}` with {in_words({**fixed, **(defaults or {})})}.\n{rest}"
        frame = inspect.currentframe()
        caller = frame.f_back.f_globals if frame is not None and frame.f_back is not None else {}
        module = str(caller.get("__name__", "__main__"))
        return Recipe(renamed(self.function, recipe_name, module, text), shape=shape)

    def environment(self, variables: BaseModel) -> str | None:
        """Return the environment pinned by an entry's variables; None if there is none. A default does not pin."""
        if ENVIRONMENT_VARIABLE in self._shape.fixed:
            return self._shape.fixed[ENVIRONMENT_VARIABLE]
        return getattr(variables, ENVIRONMENT_VARIABLE) if ENVIRONMENT_VARIABLE in variables.model_fields_set else None

    def builders(self, variables: BaseModel, environment: str) -> tuple[FlowBuilderInterface, ...]:
        """Call the recipe's function and return its builders, innermost first.

        Raises:
            BuilderError: The function raised an exception, or returned something other than a builder.
        """
        values = {name: getattr(variables, name) for name in type(variables).model_fields} | dict(self._shape.fixed)
        if ENVIRONMENT_VARIABLE in values and self.environment(variables) is None:
            values[ENVIRONMENT_VARIABLE] = environment
        base: list[FlowBuilderInterface] = []
        if (extends := self._shape.extends) is not None:
            given = variables.model_fields_set | self._shape.fixed.keys()
            base.append(Chain(*extends.builders(extended_variables(extends, values, given), environment)))
        values = {name: values[name] for name in self._own}
        for name, group in self._groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in dataclasses.fields(group)})
        where = f"recipe {self.recipe_name}"
        try:
            made: object = self.function(*base, **values)
        except RecipeError:
            raise
        except ValidationError as error:
            raise noted(RecipeError(first_line(error), where=where, hint=hint_of(error)), error) from None
        except Exception as error:
            raise BuilderError(f"{type(error).__name__}: {error}", where=where) from error
        if not isinstance(made, FlowBuilderInterface):  # pyright: ignore[reportUnnecessaryIsInstance] - an expert's code
            raise BuilderError(
                f"returned {made!r}, which is no builder", where=where, hint="Return builders joined by `|`."
            )
        return flatten(made)


class RecipeBuilder(FlowBuilderInterface):
    """A recipe with its variables, usable like any other builder.

    Args:
        recipe: The recipe.
        variables: Its validated variables.
    """

    def __init__(self, recipe: Recipe, variables: BaseModel) -> None:
        self.recipe = recipe
        self.variables = variables

    def single_builders(self, environment: str) -> tuple[FlowBuilderInterface, ...]:
        """Return the recipe's builders for an environment."""
        pinned = self.recipe.environment(self.variables)
        return self.recipe.builders(self.variables, pinned or environment)

    @property
    def requires(self) -> Iterable[Component]:
        """Everything that the recipe's builders require."""
        return [component for builder in self.single_builders("dev") for component in builder.requires]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Apply the recipe's builders."""
        for builder in self.single_builders(deployment.environment):
            deployment = builder.update_deployment(deployment)
        return deployment

    def after_deployment(self, deployment: Deployment) -> None:
        """Call the hooks of the recipe's builders."""
        for builder in self.single_builders(deployment.environment):
            builder.after_deployment(deployment)

    def as_entry(self) -> Mapping[str, Any]:
        """Return the variables as in an entry of the recipe's flow."""
        return self.variables.model_dump(mode="json", exclude_unset=True)

    def __repr__(self) -> str:
        return f"{self.recipe.recipe_name}.with_variables({self.variables!r})"


@overload
def recipe(function: RecipeFunction, /) -> Recipe: ...
@overload
def recipe(
    *, name: str | None = None, extends: Recipe | None = None, requires_variables: Sequence[str] = ()
) -> Callable[[RecipeFunction], Recipe]: ...
def recipe(
    function: RecipeFunction | None = None,
    /,
    *,
    name: str | None = None,
    extends: Recipe | None = None,
    requires_variables: Sequence[str] = (),
) -> Any:
    """Turn a typed function that returns builders into a recipe.

    The function's parameters are the recipe's variables: their annotations and defaults validate the project file and create
    the form in the Prefect UI, and the docstring's ``Args`` are the help texts. A variable named ``env`` gets the environment
    being deployed to, unless the entry pins another one. A parameter whose type is a :class:`VariableGroup`, such as
    :class:`~meta_prefect.implementations.common.CommonVariables`, gets that group; its fields become variables like the
    others.


    Args:
        function: The function.
        name: The name of the recipe's flow; defaults to the function's, hyphenated.
        extends: A recipe whose variables this one inherits: the function's first parameter gets the builders made from them.
            A parameter with the same name as an inherited variable replaces it.
        requires_variables: Variables that each entry must set, even though they have a default.

    Raises:
        RecipeError: The function's signature is not supported.
    """
    make = partial(Recipe, name=name, shape=Shape(extends, tuple(requires_variables)))
    return make if function is None else make(function)


def _together(errors: Sequence[RecipeError]) -> RecipeError:
    """Combine all errors of a call in code into one exception."""
    if len(errors) == 1:
        return errors[0]
    messages = "; ".join(f"{error.where}: {error.message}" for error in errors)
    return RecipeError(messages, hint=" ".join(dict.fromkeys(error.hint for error in errors if error.hint)))


def _entry_model(function: RecipeFunction, variables: type[BaseModel]) -> type[BaseModel]:
    needed = any(field.is_required() for field in variables.model_fields.values())
    default: dict[str, Any] = {} if needed else {"default_factory": variables}
    fields: dict[str, Any] = {
        "flow": (
            str,
            Field(title="Flow", description="The flow's entrypoint: path.py:function or package.module.function."),
        ),
        "variables": (
            variables,
            Field(title="Variables", description=f"What {function.__name__} wants to know.", **default),
        ),
    }
    return create_model(
        variables.__name__.removesuffix("Variables") + "Entry",
        __config__=ConfigDict(extra="forbid"),
        __doc__=f"One deployment by {function.__name__}.",
        **fields,
    )


def _flow_docstring(function: RecipeFunction) -> str:
    """Return the recipe's description with its flow's parameters, which Prefect shows as help in the form."""
    parsed = parse(inspect.getdoc(function) or "")
    text = "\n\n".join(part for part in (parsed.short_description, parsed.long_description) if part)
    return (
        f"{text}\n\nArgs:\n"
        "    deployments: The flows to deploy, each with its variables.\n"
        "    environment: The environment; left empty, META_PREFECT__ENV, else dev.\n"
        "    context: The deploy that this run is part of; left empty, the run makes its own."
    )


def _run_name(recipe: str) -> str:
    """Return the name of a run that was started on its own."""
    from prefect.runtime import flow_run

    parameters: dict[str, Any] = flow_run.get_parameters()
    context: Any = parameters.get("context")
    environment = getattr(context, "environment", None) or parameters.get("environment")
    return f"{recipe} to {environment}" if environment else recipe


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
