"""Shell completion of names. It runs on each press of the tab key, so it reads nothing but the project's files.

It imports nothing from the project or Prefect, and contacts no server. An incomplete command line or an invalid project file
results in no suggestions.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext

    from meta_prefect.project import Entry, Project


def _names(of: Callable[[Project, CompletionContext], Iterable[str]]) -> Callable[[CompletionContext], list[str]]:
    """Wrap a function of the project into a completer."""

    def propose(context: CompletionContext) -> list[str]:
        from meta_prefect.errors import ValidationFailed
        from meta_prefect.project import read_project

        try:
            return sorted(set(of(read_project(_place(context), required=False), context)))
        except (ValidationFailed, OSError):
            return []

    return propose


def _place(context: CompletionContext) -> Path:
    """Return the path in the command line, from an option or a target; by default the current folder."""
    from meta_prefect.project import path_exists

    given = [text for name in ("path", "targets") if (one := context.get(name)) for text in one.raw_tokens]
    return Path(next(filter(path_exists, given), "."))


def _targets(project: Project, context: CompletionContext) -> Iterator[str]:
    """Yield flows, and their deployments in the environment that a deploy would use."""
    from meta_prefect.flows.scan import find_flows
    from meta_prefect.project import check_searchable

    for entry in _entries(project):
        yield entry.flow
        yield from _deployments_of(entry, project, [_given_environment(context) or _default_environment()])
    for part in project.parts:
        check_searchable(part.root)
        yield from (flow.name for flow in find_flows(part.root) if flow.name)


def _deployments(project: Project, context: CompletionContext) -> Iterator[str]:
    """Yield deployments in the environment given on the command line, or in all."""
    given = _given_environment(context)
    for entry in _entries(project):
        yield from _deployments_of(entry, project, [given] if given else _known_environments(project))


def _deployments_of(entry: Entry, project: Project, environments: Iterable[str]) -> Iterator[str]:
    """Yield the names of an entry's deployments, following the built-in recipes' naming rule."""
    from meta_prefect.project import of_environment

    for environment in environments:
        variables = dict(entry.variables)
        for key in of_environment(entry.overrides, environment):
            variables |= entry.overrides[key]
        name, pinned = variables.get("name"), variables.get("env", environment)
        if isinstance(name, str) and isinstance(pinned, str) and entry.counts_in(environment):
            yield f"{entry.flow}/{name}-{project.environments.word_for(pinned)}"


def _environments(project: Project, context: CompletionContext) -> Iterator[str]:
    del context
    yield from _known_environments(project)
    for entry in _entries(project):
        named = (*(entry.environments or ()), *entry.overrides)
        yield from (one for one in named if "*" not in one)


def _recipes(project: Project, context: CompletionContext) -> Iterator[str]:
    """Yield installed recipes, and functions decorated with ``@recipe`` in the project's own modules."""
    from importlib.metadata import entry_points

    from meta_prefect.flows.syntax import parse, read_source

    del context
    yield from (point.name for point in entry_points(group="meta_prefect.recipes"))
    for part in (project, *project.parts):
        for module in part.recipes:
            file = part.root.joinpath(*module.split(".")).with_suffix(".py")
            source = read_source(file) if file.is_file() else ""
            tree = parse(source) if isinstance(source, bytes) else source
            yield from () if isinstance(tree, str) else _decorated_as_recipe(tree)


def _decorated_as_recipe(tree: ast.Module) -> Iterator[str]:
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            for decorator in statement.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if ast.unparse(called).rpartition(".")[2] == "recipe":
                    yield statement.name


def _entries(project: Project) -> Iterator[Entry]:
    return (entry for part in project.parts for entry in part.entries)


def _given_environment(context: CompletionContext) -> str | None:
    return None if (given := context.get("--env")) is None else given.raw


def _default_environment() -> str:
    return os.environ.get("META_PREFECT__ENV") or "dev"


def _known_environments(project: Project) -> tuple[str, ...]:
    return project.environments.names or (_default_environment(), "prod")


TARGETS = _names(_targets)
DEPLOYMENTS = _names(_deployments)
ENVIRONMENTS = _names(_environments)
RECIPES = _names(_recipes)
