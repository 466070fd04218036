"""The contents of a project file, and the project they describe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr
from pydantic_core import PydanticCustomError

from meta_prefect.interfaces.tags import Names
from meta_prefect.project.document import Document, KeyPath
from meta_prefect.project.environments import EnvironmentModel, Environments, check_unambiguous, fits
from meta_prefect.project.fields import FileModel, Text, one_or_several
from meta_prefect.project.locating import FILE_NAMES
from meta_prefect.project.naming import slug
from meta_prefect.project.policies import ExemptionModel, PolicyItem, PolicyModel

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def _module_name(name: str) -> str:
    if name.endswith(".py") or "/" in name:
        as_import = name.removeprefix("./").removesuffix(".py").replace("/", ".")
        raise PydanticCustomError("module", "should be a module's name, not a file", {"hint": f"Write {as_import!r}."})
    if not _MODULE.fullmatch(name):
        raise PydanticCustomError("module", "should be a module's name", {"hint": "Write it as in an import."})
    return name


def _project_name(name: str) -> str:
    if name != (usable := slug(name)):
        hint = f"Write {usable!r}." if usable else "For example 'sales-reports'."
        raise PydanticCustomError("project", "should be lower-case letters, digits and single hyphens", {"hint": hint})
    return name


def _pattern(pattern: str) -> str:
    pattern = pattern.removeprefix("./")
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise PydanticCustomError("include", "leads out of the project's folder", {"hint": "Include files below it."})
    if Path(pattern).name not in FILE_NAMES:
        hint = {"hint": f"Write '{Path(pattern, FILE_NAMES[0]).as_posix()}'."} if not pattern.endswith(".yaml") else {}
        raise PydanticCustomError("include", f"should end with {FILE_NAMES[0]}", hint)
    return pattern


Include = Annotated[str, AfterValidator(_pattern)]
ProjectName = Annotated[str, AfterValidator(_project_name)]


class EntryModel(FileModel):
    """One deployment of a flow."""

    recipe: Text = Field(description="The recipe that makes the deployment: its name, or its dotted path.")
    variables: dict[str, Any] = Field(default={}, description="The recipe's variables.")
    entrypoint: Text | None = Field(
        default=None, description="Which flow is meant, where its name alone is not enough: `folder/file.py:function`."
    )
    environments: tuple[Text, ...] | None = Field(
        default=None, description="The environments for which this entry counts; all of them where it is left out."
    )
    overrides: dict[Text, dict[str, Any]] = Field(
        default={},
        description="Variables that are others in an environment, by its name or by a pattern such as `pr-*`.",
    )


def _not_empty(entries: tuple[EntryModel, ...]) -> tuple[EntryModel, ...]:
    # min_length would also complain about entries that exist but are invalid
    if not entries:
        hint = "Give it at least one `- recipe: …`, or remove it."
        raise PydanticCustomError("entries", "a flow without entries", {"hint": hint})
    return entries


class PartFile(FileModel):
    """What any file of a project may say, also one that another includes."""

    owner: Text | None = Field(
        default=None, description="Who answers for the deployments of this file: each gets the tag `owner=…`."
    )
    recipes: tuple[Annotated[str, AfterValidator(_module_name)], ...] = Field(
        default=(), description="Modules to load recipes from: the project's own ones, or installed ones."
    )
    flows: tuple[Text, ...] | None = Field(
        default=None, description="Files to look for decorated flows in, as patterns: `flows/**/*.py`."
    )
    deployments: dict[str, Annotated[tuple[EntryModel, ...], AfterValidator(_not_empty)]] = Field(
        default={}, description="The deployments of each flow, by the flow's name."
    )


class ProjectFile(PartFile):
    """A project file as a whole."""

    project: ProjectName | None = Field(
        default=None, description="The project's name: it marks the deployments that the project owns."
    )
    renamed_from: Annotated[tuple[ProjectName, ...], BeforeValidator(one_or_several, str | tuple[str, ...])] = Field(
        default=(), description="The name that the project had before, or several: their deployments are taken over."
    )
    include: Annotated[tuple[Include, ...], BeforeValidator(one_or_several, str | tuple[str, ...])] = Field(
        default=(),
        description="More files of this project, as patterns: `pipelines/*/meta_prefect.yaml`. What each says is relative to it.",
    )
    environments: Annotated[dict[Text, EnvironmentModel], AfterValidator(check_unambiguous)] = Field(
        default={},
        description="The environments that there are, by name, or by a pattern such as `pr-*`; any where it is left out.",
    )
    policies: tuple[PolicyItem, ...] = Field(
        default=(), description="What every deployment has to do: policies by name, each with its options."
    )
    exempt: tuple[ExemptionModel, ...] = Field(
        default=(), description="From which policies deployments are exempt, until when and why."
    )


class Entry(BaseModel):
    """One deployment requested in the project file.

    Attributes:
        flow: The flow's name as written.
        recipe: The recipe's name or dotted path.
        variables: The recipe's variables; JSON-like values.
        entrypoint: The flow's entrypoint, if given.
        environments: The environments it is limited to; None means all.
        overrides: Overridden variables, by environment name or pattern.
        where: Its position, for example ``meta_prefect.yaml:3:7: deployments.etl[0]``.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    flow: str
    recipe: str
    variables: dict[str, Any] = {}
    entrypoint: str | None = None
    environments: tuple[str, ...] | None = None
    overrides: dict[str, dict[str, Any]] = {}
    where: str
    _document: Document | None = PrivateAttr(default=None)
    _path: KeyPath = PrivateAttr(default=())

    @classmethod
    def at(cls, document: Document, path: KeyPath, flow: str, model: EntryModel) -> Self:
        """Create the entry at a position of a document."""
        entry = cls(flow=flow, where=document.locate(path), **dict(model))
        entry._document, entry._path = document, path
        return entry

    def locate(self, *keys: str | int) -> str:
        """Format the position of one of this entry's values.

        Returns:
            For ``("variables", "name")``: ``meta_prefect.yaml:5:9: deployments.etl[0].variables.name``.
        """
        if self._document is None:
            return self.where
        return self._document.locate((*self._path, *keys))

    def counts_in(self, environment: str) -> bool:
        """Return whether this entry is deployed to an environment."""
        return self.environments is None or any(fits(environment, one) for one in self.environments)


class ProjectPart(BaseModel):
    """A project file and its folder, which all its paths are relative to.

    Attributes:
        root: The folder, absolute and resolved.
        file: The project file, or its default path.
        owner: The owner of its deployments.
        recipes: Modules to load recipes from.
        flows: Patterns of files to search for decorated flows; None if not specified.
        entries: The requested deployments, in order.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    root: Path
    file: Path
    owner: str | None = None
    recipes: tuple[str, ...] = ()
    flows: tuple[str, ...] | None = None
    entries: tuple[Entry, ...] = ()


class Project(ProjectPart):
    """A project: a folder, its name, and its project file together with included files.

    Attributes:
        name: The project's name, in lowercase letters, digits and hyphens.
        name_is_stable: Whether any copy of the folder has the same name (not so if named after the folder).
        renamed_from: Its former names.
        environments: The environments it describes.
        policies: The policies it puts into force.
        exempt: Its deployments' exemptions from policies.
        included: The contents of the included files, by path.
        chosen: The selected part; None for the whole project.
    """

    name: str
    name_is_stable: bool
    renamed_from: tuple[str, ...] = ()
    environments: Environments = Environments()
    policies: tuple[PolicyModel, ...] = ()
    exempt: tuple[ExemptionModel, ...] = ()
    included: tuple[ProjectPart, ...] = ()
    chosen: ProjectPart | None = None
    _document: Document | None = PrivateAttr(default=None)

    @classmethod
    def at(cls, document: Document, **said: Any) -> Self:
        """Create the project described by a document."""
        project = cls(**said)
        project._document = document
        return project

    def locate(self, *keys: str | int) -> str:
        """Format a position in the project's own file."""
        return self.file.name if self._document is None else self._document.locate(keys)

    @property
    def parts(self) -> tuple[ProjectPart, ...]:
        """The selected parts: the project's own file and those it includes, or a single one of these."""
        return (self, *self.included) if self.chosen is None else (self.chosen,)

    def place(self, path: str, part: ProjectPart) -> str:
        """Return a path in a part relative to the project."""
        return (part.root.relative_to(self.root) / path).as_posix()

    @property
    def names(self) -> Names:
        """Its names, the current one first."""
        return (self.name, *self.renamed_from)


def json_schema(*, of_part: bool = False) -> dict[str, Any]:
    """Return the JSON schema of a project file, for editors. It does not include the recipes' variables.

    Args:
        of_part: Whether it is for an included file.
    """
    schema = (PartFile if of_part else ProjectFile).model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Meta-Prefect project file"}
