"""``meta-prefect init``: starts a project from its flows, its prefect.yaml, or live deployments."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Group, Parameter

from meta_prefect.cli.options import Debug, Environment, Flag, Form, Several, read_settings
from meta_prefect.cli.output import Output
from meta_prefect.errors import TargetError, ValidationFailed

if TYPE_CHECKING:
    from meta_prefect.init.origins import Origin

PREFECT_YAML: Final = "prefect.yaml"
YES: Final = ("y", "yes")

Ask = Callable[[str, str], str]
"""Asks a question with a proposed answer."""


@Parameter(name="*", group=Group("What the project is made from", sort_key=1))
@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the deployments of the project are found; by default in a prefect.yaml, else the flows are listed."""

    from_file: Annotated[
        Path | None, Parameter(name="--from", help="This prefect.yaml; one in the project's folder is found by itself.")
    ] = None
    from_flows: Annotated[Flag, Parameter(help="The flows, though there is a prefect.yaml.")] = False
    from_server: Annotated[
        Flag, Parameter(help="The deployments that are live on the Prefect API and that nobody manages yet.")
    ] = False
    flow: Annotated[Several, Parameter(help="With --from-server: only of flows that match a pattern.")] = ()
    tag: Annotated[Several, Parameter(help="With --from-server: only with a tag that matches a pattern.")] = ()
    pool: Annotated[Several, Parameter(help="With --from-server: only in work pools that match a pattern.")] = ()

    def check(self) -> None:
        """Check that exactly one source is selected.

        Raises:
            TargetError: There are two, or patterns are given for a source that takes none.
        """
        given = {
            "--from": self.from_file is not None,
            "--from-flows": self.from_flows,
            "--from-server": self.from_server,
        }
        if sum(given.values()) > 1:
            named = " and ".join(name for name, there in given.items() if there)
            raise TargetError(f"{named} are several sources", where="init", hint="Begin with one of them.")
        if (self.flow or self.tag or self.pool) and not self.from_server:
            raise TargetError(
                "--flow, --tag and --pool choose among live deployments",
                where="init",
                hint="Give --from-server as well.",
            )

    def refuse_beside_package(self) -> None:
        """Check that no source is given for a recipe package.

        Raises:
            TargetError: A source is given.
        """
        if self != Source():
            raise TargetError(
                "a package of recipes is made from no deployments",
                where="--package",
                hint="Leave out --from, --from-flows, --from-server and what chooses among live deployments.",
            )


@Parameter(name="*", group=Group("What the project is to be", sort_key=2))
@dataclass(frozen=True, kw_only=True)
class Choices:
    """What is asked for on a terminal where it is not given."""

    project: Annotated[str | None, Parameter(help="The project's name, which marks the deployments that it owns.")] = (
        None
    )
    env: Environment = None
    recipe: Annotated[
        str | None, Parameter(help="From flows: the recipe that deploys them; by default `local_run_deployer`.")
    ] = None
    work_pool: Annotated[str | None, Parameter(help="From flows: the work pool in which they run.")] = None
    variables: Annotated[
        Several, Parameter(name="--set", help="From flows: a variable of the recipe, as `image=ghcr.io/team/flows`.")
    ] = ()
    package: Annotated[
        str | None,
        Parameter(
            help="Begin a package of recipes of this name, such as `acme-recipes`, for all projects of a team: with a recipe, a "
            "builder, a component, a policy and their tests, in a folder of that name unless one is given."
        ),
    ] = None
    no_recipes: Annotated[
        Flag, Parameter(help="Write no recipes.py with what deployments have in common; the YAML says it once, then.")
    ] = False


def init(
    path: Path | None = None,
    /,
    *,
    source: Source = Source(),
    choices: Choices = Choices(),
    yes: Annotated[Flag, Parameter(name=["--yes", "-y"], help="Ask nothing: take what would be proposed.")] = False,
    dry_run: Annotated[Flag, Parameter(help="Print the files, and write nothing.")] = False,
    output: Form = "text",
    debug: Debug = False,
) -> int:
    """Begin a project: write its `meta_prefect.yaml`, from a `prefect.yaml`, from live deployments, or from its flows.

    What the file asks for is compared with what is there before it is written, field by field. On a terminal it asks what is not
    given. No file is overwritten, and nothing is deployed. With `--package`, it begins a package of recipes instead.

    Parameters
    ----------
    path
        The project's folder; by default the present one.
    """
    if choices.package is not None:
        source.refuse_beside_package()
        return _package(path, choices.package, dry_run=dry_run, output=output)
    path = path or Path()
    from meta_prefect.init.beginning import SCHEMA_FILE
    from meta_prefect.init.folder import check_new, check_project_name, proposed_name
    from meta_prefect.init.summary import Summary
    from meta_prefect.init.writing import write_new_files
    from meta_prefect.project.naming import slug

    out = Output()
    ask = None if yes or dry_run or output == "json" or not (sys.stdin.isatty() and sys.stderr.isatty()) else _ask
    source.check()
    root = check_new(path)
    origin = _origin(root, source, choices, ask)
    with out.watching("Looking", debug=debug):
        found = origin.found()
    name = choices.project or proposed_name(root, found)
    if ask is not None and choices.project is None:
        name = slug(ask("Name of the project", name))
    name = check_project_name(name)
    with out.watching("Comparing", debug=debug):
        beginning, files = origin.begun(found, name)
    summary = Summary(beginning, files, origin.compared_with)
    lines = list(summary.lines())
    if dry_run or ask is not None:
        for line in lines:
            out.say(line)
        lines = []
    if dry_run:
        for file, text in files.texts.items():
            if not file.endswith(".json"):
                out.raw(f"# {file}\n{text}")
        return 0
    if ask is not None and ask(f"Write {', '.join(files.texts)}?", "yes").lower() not in YES:
        out.say("nothing was written")
        return 1
    write_new_files({root / file: text for file, text in files.texts.items()}, {root / SCHEMA_FILE})
    commands = summary.commands("" if path == Path() else str(path), adopts=origin.adopts)
    lines += [f"wrote {', '.join(reversed(files.texts))}", *(f"Next: {command}" for command in commands)]
    out.result(summary.document(commands), lines, output)
    return 0


def _package(path: Path | None, name: str, *, dry_run: bool, output: str) -> int:
    """Write a recipe package."""
    from meta_prefect.init.package import package_files, read_package_name
    from meta_prefect.init.writing import write_new_files

    out = Output()
    names = read_package_name(name)
    folder = path or Path(names.package)
    files = package_files(names)
    if dry_run:
        for file, text in files.items():
            out.raw(f"# {file}\n{text}")
        return 0
    write_new_files({folder / file: text for file, text in files.items()})
    commands = [
        f"uv pip install -e {shlex.quote(str(folder))}",
        f"meta-prefect recipes {names.recipe}",
        f"cd {shlex.quote(str(folder))} && uv run pytest",
    ]
    lines = [f"wrote {folder / file}" for file in files] + [f"Next: {command}" for command in commands]
    out.result({"package": names.package, "files": list(files), "next": commands}, lines, output)
    return 0


def _origin(root: Path, source: Source, choices: Choices, ask: Ask | None) -> Origin:
    """Determine what the project is made from.

    Raises:
        TargetError: A required variable of the flows' recipe is missing.
    """
    from meta_prefect.init.from_server import Patterns
    from meta_prefect.init.origins import Live, PrefectYaml

    if source.from_server:
        return Live(root, Patterns(source.flow, source.tag, source.pool), choices.env, not choices.no_recipes)
    file = source.from_file or root / PREFECT_YAML
    is_meant = source.from_file is not None or (not source.from_flows and file.is_file())
    if is_meant and source.from_file is None and ask is not None:
        is_meant = ask(f"Made from the {PREFECT_YAML} that is here?", "yes").lower() in YES
    return PrefectYaml(root, file, choices.env, not choices.no_recipes) if is_meant else _flows(root, choices, ask)


def _flows(root: Path, choices: Choices, ask: Ask | None) -> Origin:
    from pydantic import BaseModel

    from meta_prefect.init.from_flows import FIRST_NAME
    from meta_prefect.init.origins import Flows
    from meta_prefect.recipes.registry import Recipes
    from meta_prefect.recipes.variables import check_variables

    variables = read_settings(choices.variables)
    pool = choices.work_pool
    if ask is not None and pool is None and choices.recipe is None:
        pool = ask("Work pool in which the flows run, or `none` for processes of this host", "none")
        pool = None if pool == "none" else pool
    if pool is not None:
        variables["work_pool"] = pool
    name = choices.recipe or ("local_run_deployer" if pool is None else "work_pool_deployer")
    recipe = Recipes().find(name, where="--recipe")
    fields = recipe.variables_model.model_fields
    missing = [key for key, one in fields.items() if one.is_required() and key not in (*variables, "name")]
    if missing and ask is None:
        raise TargetError(
            f"the recipe {name} needs {', '.join(missing)}",
            where="--recipe",
            hint=f"Give {' '.join(f'--set {key}=…' for key in missing)}; `meta-prefect recipes {name}` explains them.",
        )
    if ask is not None:
        variables |= {key: ask(f"{key}: {fields[key].description or ''}", "") for key in missing}
    checked = check_variables(
        recipe.variables_model,
        {"name": FIRST_NAME, **variables},
        name,
        lambda *place: f"--set {place[1]}" if place[1:] else "--recipe",
    )
    if not isinstance(checked, BaseModel):
        raise ValidationFailed(checked)
    return Flows(root, name, variables, choices.env)


def _ask(question: str, proposed: str) -> str:
    """Ask on the terminal; an empty answer accepts the proposal."""
    sys.stderr.write(f"{question} [{proposed}] ")
    sys.stderr.flush()
    try:
        return input().strip() or proposed
    except EOFError:  # Ctrl-D
        raise KeyboardInterrupt from None
