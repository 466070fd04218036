"""Finding policies, and reading which of them somebody puts into force."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from meta_prefect.errors import ConfigurationError, PolicyError, nearest
from meta_prefect.policies.built_in import BUILT_IN
from meta_prefect.policies.policy import Policy, Rule
from meta_prefect.project.policies import PolicyModel

ENTRY_POINT_GROUP = "meta_prefect.policies"
"""The entry-point group of a package whose policies are in force wherever it is installed."""

Load = Callable[[str], ModuleType]
"""Imports a module."""


def installed_rules() -> list[Rule]:
    """The policies of installed packages, which are in force by being there.

    Raises:
        PolicyError: One of them cannot be loaded, or is no policy.
    """
    return [rule for point in entry_points(group=ENTRY_POINT_GROUP) for rule in _offered(point)]


def _offered(point: EntryPoint) -> Iterator[Rule]:
    origin = f"package {point.dist.name if point.dist is not None else point.module}"
    try:
        found: object = point.load()
    except Exception as error:
        message = f"its policy {point.name!r} cannot be loaded: {type(error).__name__}: {error}"
        raise PolicyError(message, where=origin) from error
    members = _members(found) if isinstance(found, ModuleType) else [found]
    for one in members:
        yield _as_rule(one, f"{point.name!r} of {origin}", origin)


def rules_of(
    asked: Iterable[PolicyModel], load: Load = importlib.import_module, locate: Callable[..., str] = lambda *_: ""
) -> Iterator[Rule | ConfigurationError]:
    """The policies that somebody puts into force.

    Args:
        asked: Which, each with its options.
        load: Imports a module.
        locate: Gives the place of an item, and of a key in it.

    Returns:
        The rules, and what is wrong with the others.
    """
    for index, item in enumerate(asked):
        try:
            yield from _rules(item, load, locate(index))
        except ConfigurationError as error:
            error.where = locate(index, *error.keys[:1]) if error.keys else locate(index)
            yield error


def _rules(item: PolicyModel, load: Load, where: str) -> Iterator[Rule]:
    found = _found(item.policy, load)
    if isinstance(found, Policy):
        yield found.rule(item.options, level=item.level, environments=item.environments, origin=where)
        return
    if item.level or item.environments or item.options:
        message = f"{item.policy!r} is a module: its policies have options of their own"
        raise PolicyError(message, hint=f"Name one of them: `{item.policy}:NAME`.")
    for one in found:
        yield _as_rule(one, item.policy, where)


def _found(name: str, load: Load) -> Policy | list[Policy | Rule]:
    """The policy of a name, or all those of a module."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    module_name, colon, attribute = name.partition(":")
    try:
        module = load(module_name)
    except (ConfigurationError, ModuleNotFoundError) as error:
        close = nearest(name, BUILT_IN)
        if close.startswith("Did you mean"):
            raise PolicyError(f"there is no policy {name!r}, nor a module", hint=close) from None
        raise error if isinstance(error, ConfigurationError) else _not_loaded(module_name, error) from None
    except Exception as error:
        raise _not_loaded(module_name, error) from error
    members = _members(module)
    if not colon:
        if not members:
            raise PolicyError(f"the module {name!r} holds no policy", hint="Decorate a function with `@policy`.")
        return members
    found: object = getattr(module, attribute, None)
    if isinstance(found, Rule):
        return [found]
    if not isinstance(found, Policy):
        hint = nearest(attribute, [one.name for one in members]) or "Decorate a function with `@policy`."
        raise PolicyError(f"the module {module_name!r} has no policy {attribute!r}", hint=hint)
    return found


def _not_loaded(module: str, error: Exception) -> PolicyError:
    hint = "Write a built-in policy, 'module:function', or a module: `meta-prefect policies` lists the first."
    return PolicyError(f"the module {module!r} cannot be loaded: {type(error).__name__}: {error}", hint=hint)


def _members(module: ModuleType) -> list[Policy | Rule]:
    """What a module means to put into force: its own policies, and rules; what it only imports is for its own use."""
    rules = [one for one in vars(module).values() if isinstance(one, Rule)]
    own = [one for one in vars(module).values() if isinstance(one, Policy) and _is_of(one, module)]
    ruled = {id(one.policy) for one in rules}
    return [*(one for one in own if id(one) not in ruled), *rules]


def _is_of(policy: Policy, module: ModuleType) -> bool:
    home = policy.function.__module__
    return home == module.__name__ or home.startswith(f"{module.__name__}.")


def _as_rule(found: object, name: str, origin: str) -> Rule:
    match found:
        case Policy():
            return found.rule({}, origin=origin)
        case Rule():
            return Rule(found.policy, found.options, found.level, found.environments, origin)
        case _:
            raise PolicyError(f"{name} is {found!r}, not a policy", hint="Decorate a function with `@policy`.")


def known_policies(rules: Iterable[Rule]) -> Mapping[str, Policy]:
    """All that can be asked for by name: those in force, and the built-in ones."""
    own: dict[str, Any] = {rule.name: rule.policy for rule in rules}
    return {**BUILT_IN, **own}
