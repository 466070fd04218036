"""Validates pull steps against the functions they name, if those can be imported here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, Final

from pydantic import AfterValidator

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.hidden_values import secrets_in
from meta_prefect.interfaces.json_diff import is_mapping
from meta_prefect.interfaces.pull_steps import PullStep, parts

_RESERVED: Final = ("id", "requires")
"""Inputs that Prefect accepts for every step."""

_FORMER: Final = {
    ".projects.steps": ".deployments.steps",
    "git_clone_project": "git_clone",
    "push_project_to_": "push_to_",
    "pull_project_from_": "pull_from_",
}
"""Modules and functions renamed since Prefect 2."""


def _check_form(step: PullStep) -> PullStep:
    if len(step) != 1:
        raise ValueError(f"a step has one key, its function, and not {len(step)}: {', '.join(step) or 'none'}")
    function, inputs = next(iter(step.items()))
    if not all(part.isidentifier() for part in function.split(".")) or "." not in function:
        raise ValueError(f"{function!r} is no function: write 'package.module.function'")
    if inputs is not None and not is_mapping(inputs):
        raise ValueError(f"the inputs of {function} are no mapping of names to values")
    return {function: dict(inputs or {})}


Step = Annotated[PullStep, AfterValidator(_check_form)]
"""A pull step as written: an object with one key, the path of a function, and its inputs."""


def present_name(function: str) -> str:
    """Return the current name of a step's function that an earlier Prefect named differently."""
    for old, new in _FORMER.items():
        function = function.replace(old, new)
    return function


def check_steps(steps: Iterable[PullStep]) -> Iterator[str]:
    """Check the names and inputs of steps, and that they contain no literal secret.

    Yields:
        Which steps could not be checked, and why.

    Raises:
        ConfigurationError: The function does not exist, or does not accept the inputs.
    """
    for step in steps:
        name, inputs = parts(step)
        if found := secrets_in(inputs):
            raise ConfigurationError(
                f"{name}: {', '.join(found)}: a secret is named, never written down",
                hint="Write a reference, such as '{{ prefect.blocks.secret.NAME }}', which is resolved in the run.",
            ).is_about(name, *found[0].split("."))
        function = _function(name, inputs)
        if isinstance(function, str):
            yield f"the pull step {name} is not checked ({function})"
        else:
            _check_inputs(name, function, inputs)


def _function(name: str, inputs: Mapping[str, Any]) -> Callable[..., Any] | str:
    """Return a step's function, or why it is not available here.

    Raises:
        ConfigurationError: Its package is installed here but has no such function.
    """
    module_name, _, function = name.rpartition(".")
    package = module_name.partition(".")[0]
    try:
        if find_spec(package) is None:
            return f"there is no package {package!r} here"
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            return f"it needs {error.name!r}, which is not here"
        raise _unknown(name, f"{package} has no module {error.name!r}") from None
    except Exception as error:  # noqa: BLE001 - other people's code
        return f"importing it raised {type(error).__name__}"
    found = getattr(module, function, None)
    if callable(found):
        return found
    if inputs.get("requires"):
        return f"here {module_name} has no {function!r}"  # its requirements may have another version
    public = [one for one, value in vars(module).items() if inspect.isroutine(value) and not one.startswith("_")]
    raise _unknown(name, f"{module_name} has no function {function!r}", public)


def _unknown(name: str, message: str, known: Sequence[str] = ()) -> ConfigurationError:
    now = present_name(name)
    hint = f"Prefect calls it {now!r} now." if now != name else nearest(name.rpartition(".")[2], known)
    return ConfigurationError(f"there is no pull step {name!r}: {message}", hint=hint).is_about(name)


def _check_inputs(name: str, function: Callable[..., Any], inputs: Mapping[str, Any]) -> None:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return  # builtins have no signature
    given = [key for key in inputs if key not in _RESERVED]
    known = [key for key, one in parameters.items() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    for key in given:
        if key not in known and not takes_any:
            raise ConfigurationError(f"{name} takes no {key!r}", hint=nearest(key, [*known, *_RESERVED])).is_about(
                name, key, value=inputs[key]
            )
    missing = [key for key in known if parameters[key].default is inspect.Parameter.empty and key not in given]
    if missing:
        raise ConfigurationError(
            f"{name} needs {' and '.join(map(repr, missing))}", hint=f"Add `{missing[0]}:` below it."
        ).is_about(name, value=dict(inputs))
