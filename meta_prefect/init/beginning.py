"""Generates the files of a new project: shared settings are written once, and everything is tested before it is written."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, Final, get_args

from meta_prefect.errors import FlowImportError, ValidationFailed
from meta_prefect.flows import ProjectModules
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.init.entries import AS_IT_IS, POOL_RECIPE, NewEntry
from meta_prefect.init.found import Remark
from meta_prefect.init.project_text import NewProject, in_order, project_text
from meta_prefect.init.proof import Proof, prove
from meta_prefect.init.recipe_text import NewRecipe, recipe_text
from meta_prefect.init.sharing import Family, families
from meta_prefect.interfaces.deployment import Allowed
from meta_prefect.local.files import scratch_folder
from meta_prefect.project import read_project
from meta_prefect.recipes.describing import project_schema
from meta_prefect.recipes.registry import Recipes
from meta_prefect.server import Reader

PROJECT_FILE: Final = "meta_prefect.yaml"
SCHEMA_FILE: Final = ".meta_prefect/schema.json"

_ALIKE: Final = 3
"""How many deployments must share settings to get a recipe."""

_LINES: Final = 3
"""How many lines they must share, not counting those that keep things as they are."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The input for a new project.

    Attributes:
        root: Its folder.
        name: Its name.
        source: A description of what it is made from.
        entries: What it should deploy.
        environments: The environments of the entries.
        remarks: Remarks about the project as a whole.
        with_recipes: Whether settings shared by several deployments may become recipes in Python.
        advice: What to do with the file next.
    """

    root: Path
    name: str
    source: str
    entries: tuple[NewEntry, ...]
    environments: tuple[str, ...]
    remarks: tuple[Remark, ...] = ()
    with_recipes: bool = True
    advice: str = ""


@dataclass(frozen=True, slots=True)
class NewFiles:
    """The files of a new project.

    Attributes:
        texts: Their contents by path in the project's folder, the project file last.
        entries: The entries of the project file.
        proof: The comparison with the existing deployments.
    """

    texts: dict[str, str]
    entries: tuple[NewEntry, ...]
    proof: Proof


async def new_files(beginning: Beginning, reader: Reader) -> NewFiles:
    """Generate the files, and compare the result with what exists.

    Entries that cannot be deployed as they are become comments, so that the rest can be deployed.


    Args:
        beginning: The input.
        reader: Reads the existing deployments.

    Raises:
        ValidationFailed: Nothing can be deployed.
    """
    while True:
        made = await _tried(beginning, reader)
        if allowing := dict(_allowing(made)):
            entries = tuple(allowing.get(place, one) for place, one in enumerate(made.entries))
            beginning = replace(beginning, entries=entries)
            continue
        refused = dict(_refused(made))
        if not refused:
            return made
        if len(refused) == len(in_order(made.entries)):
            raise ValidationFailed([error for errors in made.proof.of_entries for error in errors])
        entries = tuple(replace(one, refused=refused.get(place, one.refused)) for place, one in enumerate(made.entries))
        beginning = replace(beginning, entries=entries)


async def _tried(beginning: Beginning, reader: Reader) -> NewFiles:
    root, texts = beginning.root, _texts(beginning)
    with scratch_folder() as stage:
        for name, text in texts.items():
            (stage / name).write_text(text, encoding="utf-8")
        staged = read_project(stage / PROJECT_FILE, required=False)
        project = staged.model_copy(update={"root": root, "file": root / PROJECT_FILE})
        modules = _StagedModules(root, stage, [name.removesuffix(".py") for name in texts if name.endswith(".py")])
        flows = ProjectFlows(root, from_source=True, modules=modules)
        proof = await prove(project, beginning.environments, flows, reader)
        schema = project_schema(Recipes(project.recipes, modules.load_module).all())
    written = {SCHEMA_FILE: json.dumps(schema, indent=1) + "\n", **texts}
    return NewFiles(written, beginning.entries, proof)


class _StagedModules(ProjectModules):
    """The modules of a project, some of which are still staged in another folder.

    Args:
        root: The project's folder.
        stage: The folder of the staged modules.
        names: Their names.
    """

    def __init__(self, root: Path, stage: Path, names: Iterable[str]) -> None:
        super().__init__(root)
        self._staged = dict.fromkeys(names, ProjectModules(stage))

    def load_module(self, name: str, *, where: str | None = None) -> ModuleType:
        """Load a module from either folder."""
        if name in self._staged:
            return self._staged[name].load_module(name, where=where)
        return super().load_module(name, where=where)


def _allowing(made: NewFiles) -> Iterable[tuple[int, NewEntry]]:
    """Yield the indexes of entries that Prefect accepts but we reject by default, with the setting that allows them."""
    for place, errors in zip(in_order(made.entries), made.proof.of_entries, strict=True):
        entry = made.entries[place]
        names = {error.allowance for error in errors if error.allowance is not None}
        if missing := sorted(names & set(get_args(Allowed)) - set(entry.variables.get("allow", ()))):
            allow = [*entry.variables.get("allow", ()), *missing]
            yield place, replace(entry, variables={**entry.variables, "allow": allow})


def _refused(made: NewFiles) -> Iterable[tuple[int, str]]:
    """Yield the indexes of entries that cannot be deployed as they are, with the reason."""
    for place, errors in zip(in_order(made.entries), made.proof.of_entries, strict=True):
        # A module that cannot be imported here may work elsewhere.
        if reasons := [str(error) for error in errors if not isinstance(error, FlowImportError)]:
            yield place, "\n".join(reasons)


def _texts(beginning: Beginning) -> dict[str, str]:
    """Return the contents of the recipes module, if there is to be one, and of the project file."""
    nothing: Mapping[str, Any] = {}
    variables = [nothing if one.refused is not None else one.variables for one in beginning.entries]
    module = _free_module(beginning) if beginning.with_recipes else None
    alike = families(variables, least=_ALIKE, lines=_LINES, but=AS_IT_IS) if module is not None else []
    alike = [one for one in alike if all(beginning.entries[index].recipe == POOL_RECIPE for index in one.members)]
    recipes = [
        _recipe(family, variables, name) for family, name in zip(alike, _recipe_names(beginning.name), strict=False)
    ]
    entries = list(beginning.entries)
    for family, recipe in zip(alike, recipes, strict=True):
        for index in family.members:
            own = {key: value for key, value in variables[index].items() if key not in family.shared}
            entries[index] = replace(entries[index], recipe=recipe.name, variables=own)
    others = [one.variables if one.recipe == POOL_RECIPE or not recipes else nothing for one in entries]
    project = NewProject(
        name=beginning.name,
        entries=tuple(entries),
        source=beginning.source,
        schema=SCHEMA_FILE,
        recipes=(module,) if module is not None and recipes else (),
        remarks=beginning.remarks,
        advice=beginning.advice,
    )
    text = project_text(project, families(others, least=2, lines=2))
    made = {f"{module}.py": recipe_text(recipes, beginning.name)} if recipes else {}
    return {**made, PROJECT_FILE: text}


def _recipe(family: Family, variables: Sequence[Mapping[str, object]], name: str) -> NewRecipe:
    own = dict.fromkeys(key for index in family.members for key in variables[index] if key not in family.shared)
    return NewRecipe(name, family.shared, tuple(own), len(family.members))


def _recipe_names(project: str) -> Iterator[str]:
    """Yield unused names for a project's recipes."""
    installed = Recipes().names
    base = re.sub(r"\W", "_", project)
    base = base if base.isidentifier() and not keyword.iskeyword(base) else f"project_{base}"
    for number in count(1):
        name = f"{base}_deployer" if number == 1 else f"{base}_deployer_{number}"
        if name not in installed:
            yield name


def _free_module(beginning: Beginning) -> str | None:
    """Return the name of a module that does not exist yet; None if all candidates do."""
    names = ("recipes", "deployment_recipes")
    return next((name for name in names if not list(beginning.root.glob(f"{name}*"))), None)
