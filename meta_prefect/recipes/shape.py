"""How a recipe's variables differ from its function's parameters: inherited, fixed, with other defaults, or required."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from meta_prefect.errors import RecipeError, first_line, nearest
from meta_prefect.redaction import hidden, remember_within

if TYPE_CHECKING:
    from meta_prefect.recipes.recipe import Recipe

_Own = dict[str, Any]


class ShapedVariables(BaseModel):
    """The variables of a recipe derived from another one.

    Attributes:
        fixed_by_recipe: The other recipe's variables that entries cannot set.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    fixed_by_recipe: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Shape:
    """How a recipe's variables differ from the parameters of its function.

    Attributes:
        extends: The recipe whose variables it inherits, and whose builders its function gets as its first parameter.
        required: Variables that an entry must set, even though they have a default.
        fixed: Values of variables that entries cannot set.
        defaults: Changed defaults of variables.
    """

    extends: Recipe | None = None
    required: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def of(self, own: type[BaseModel], where: str) -> type[BaseModel]:
        """Create the model of a recipe's variables: its own first, then those of the recipe it extends.

        Raises:
            RecipeError: A variable does not exist, or its value is invalid.
        """
        if self == Shape():
            return own
        inherited = self.extends.variables_model.model_fields if self.extends is not None else {}
        known: dict[str, FieldInfo] = {**inherited, **own.model_fields}
        _check_known((*self.required, *self.fixed, *self.defaults), known, where)
        fields: _Own = {}
        for name, info in known.items():
            if name in self.required:
                fields[name] = _required(info)
            elif name in self.defaults:
                fields[name] = (Annotated[info.annotation, info], Field(default=self.defaults[name]))
            elif name not in self.fixed:
                fields[name] = _same(info)
        made = create_model(own.__name__, __base__=ShapedVariables, __doc__=own.__doc__, **fields)
        made.fixed_by_recipe = frozenset(self.fixed)
        return made

    def narrowed(self, model: type[BaseModel], fixed: _Own, defaults: _Own, where: str) -> Shape:
        """Return a copy with more variables fixed or with changed defaults.

        Raises:
            RecipeError: A variable does not exist, or its value is invalid.
        """
        _check_known((*fixed, *defaults), model.model_fields, where)
        if both := sorted(fixed.keys() & defaults.keys()):
            raise RecipeError(f"{both[0]!r} is both fixed and a default", where=where)
        return Shape(
            self.extends,
            tuple(name for name in self.required if name not in (*fixed, *defaults)),
            {**self.fixed, **_validated(model, fixed, where)},
            {name: value for name, value in self.defaults.items() if name not in fixed}
            | _validated(model, defaults, where),
        )


def extended_variables(recipe: Recipe, values: Mapping[str, Any], given: Collection[str]) -> BaseModel:
    """Return the variables of a recipe that another one extends.

    Args:
        recipe: The recipe.
        values: All values of the extending recipe, by name.
        given: The names of values that were set explicitly.
    """
    own = {name: values[name] for name in recipe.variables_model.model_fields}
    return recipe.variables_model.model_construct(_fields_set={name for name in own if name in given}, **own)


def renamed(function: Callable[..., Any], name: str, module: str, text: str) -> Callable[..., Any]:
    """Return a copy of a function with another name and module."""
    if not isinstance(function, FunctionType):
        raise RecipeError(f"{function!r} is no plain function", where=f"recipe {name}")
    made = FunctionType(function.__code__, function.__globals__, name, function.__defaults__, function.__closure__)
    made.__kwdefaults__, made.__annotations__ = function.__kwdefaults__, dict(function.__annotations__)
    made.__module__, made.__qualname__, made.__doc__ = module, name, text
    return made


def in_words(values: Mapping[str, Any]) -> str:
    """For example ``namespace='etl', cpu='2'``, with secrets masked."""
    return ", ".join(f"{name}={hidden(value, name)!r}" for name, value in values.items())


def _check_known(names: Collection[str], known: Mapping[str, Any], where: str) -> None:
    for name in names:
        if name not in known:
            raise RecipeError(f"there is no variable {name!r}", where=where, hint=nearest(name, known))


def _validated(model: type[BaseModel], values: _Own, where: str) -> _Own:
    """Validate some of a model's variables."""
    probe = model.model_construct()
    for name, value in values.items():
        try:
            model.__pydantic_validator__.validate_assignment(probe, name, value)
        except ValidationError as error:
            raise RecipeError(first_line(error), where=where) from None
    remember_within(probe.__dict__)
    return {name: getattr(probe, name) for name in values}


def _same(info: FieldInfo) -> Any:
    default = Field(...) if info.is_required() else Field(default=info.default)
    return (Annotated[info.annotation, info], default)


def _required(info: FieldInfo) -> Any:
    said = Field(title=info.title, description=info.description, validation_alias=info.validation_alias)
    return (Annotated[info.rebuild_annotation(), said], ...)
