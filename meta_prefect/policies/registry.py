"""Finds policies and resolves which ones are in force."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, cast

from meta_prefect.errors import ConfigurationError, PolicyError, nearest
from meta_prefect.policies.built_in import BUILT_IN
from meta_prefect.policies.policy import Policy, Rule
from meta_prefect.project.policies import PolicyModel

ENTRY_POINT_GROUP = "meta_prefect.policies"
"""The entry-point group of packages whose policies are in force wherever they are installed."""

Load = Callable[[str], ModuleType]
"""Imports a module."""


def installed_rules(package: str | None = None, load: Load = importlib.import_module) -> list[Rule]:
    """Return the policies of installed packages, which are in force automatically.

    Args:
        package: Limit the result to this package.
        load: Imports a module.

    Raises:
        PolicyError: One cannot be loaded or is not a policy.
    """
    points = entry_points(group=ENTRY_POINT_GROUP)
    asked = [one for one in points if package is None or (one.dist and _plain(one.dist.name) == _plain(package))]
    return [rule for point in asked for rule in _offered(point, load)]


def _plain(name: str) -> str:
    """Normalize a package name for comparison, as package indexes do."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _offered(point: EntryPoint, load: Load) -> Iterator[Rule]:
    origin = f"package {point.dist.name if point.dist is not None else point.module}"
    try:
        names = point.attr.split(".") if point.attr else []
        found = reduce(getattr, names, cast("object", load(point.module)))
    except Exception as error:
        message = f"its policy {point.name!r} cannot be loaded: {type(error).__name__}: {error}"
        raise PolicyError(message, where=origin) from error
    members = _members(found) if isinstance(found, ModuleType) else [found]
    for one in members:
        yield _as_rule(one, f"{point.name!r} of {origin}", origin)


def rules_of(
    asked: Iterable[PolicyModel], load: Load = importlib.import_module, locate: Callable[..., str] = lambda *_: ""
) -> Iterator[Rule | ConfigurationError]:
    """Resolve the policies that a file puts into force.

    Args:
        asked: The requested policies with their options.
        load: Imports a module.
        locate: Returns the position of an item, or of a key in it.

    Returns:
        The rules, and errors for items that could not be resolved.
    """
    for index, item in enumerate(asked):
        try:
            yield from _rules(item, load, locate(index))
        except ConfigurationError as error:
            error.where = locate(index, *error.keys[:1]) if error.keys else locate(index)
            yield error


def _rules(item: PolicyModel, load: Load, where: str) -> Iterator[Rule]:
    found = _found(item, load)
    if isinstance(found, Policy):
        yield found.rule(item.options, level=item.level, environments=item.environments, origin=where)
        return
    if _says_more(item):
        hint = "Name one of them: an installed one as `meta-prefect policies` lists it, a module's as `MODULE:NAME`."
        raise PolicyError(f"{item.policy!r} holds policies with options of their own", hint=hint)
    for one in found:
        yield _as_rule(one, item.policy, where)


def _says_more(item: PolicyModel) -> bool:
    return bool(item.level or item.environments or item.options)


def _found(item: PolicyModel, load: Load) -> Policy | Sequence[Policy | Rule]:
    """Resolve a name: a policy, as its package puts it into force unless options are given, or all of a package or module."""
    name = item.policy
    if name in BUILT_IN:
        return BUILT_IN[name]
    if of_package := installed_rules(name, load):
        return of_package
    if named := [rule for rule in installed_rules(load=load) if rule.name == name]:
        return named[0].policy if _says_more(item) else named
    return _of_module(name, load)


def _of_module(name: str, load: Load) -> Policy | Sequence[Policy | Rule]:
    """Resolve ``module:function``, or all policies of a module."""
    module_name, colon, attribute = name.partition(":")
    try:
        module = load(module_name)
    except (ConfigurationError, ModuleNotFoundError) as error:
        close = nearest(name, known_policies(installed_rules()))
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
    hint = "Write a built-in policy or an installed one, which `meta-prefect policies` lists, 'module:function', or a module."
    return PolicyError(f"the module {module!r} cannot be loaded: {type(error).__name__}: {error}", hint=hint)


def _members(module: ModuleType) -> list[Policy | Rule]:
    """Return the policies that a module puts into force: those it defines, and rules; not those it only imports."""
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
    """Return all policies that can be named: those in force and the built-in ones."""
    own: dict[str, Any] = {rule.name: rule.policy for rule in rules}
    return {**BUILT_IN, **own}
