"""Reads a project and reports everything that is wrong with its file at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from meta_prefect.errors import ConfigurationError, ProjectFileError, ValidationFailed, message_of, nearest
from meta_prefect.files import read_regular
from meta_prefect.project.document import Document, KeyPath, describe, parse_document
from meta_prefect.project.environments import (
    NAME_THE_KEY,
    ApprovalModel,
    EnvironmentModel,
    Environments,
)
from meta_prefect.project.locating import (
    FILE_NAMES,
    check_place,
    find_project_file,
    matching,
    project_files_in,
    resolved,
)
from meta_prefect.project.models import Entry, EntryModel, PartFile, Project, ProjectFile, ProjectPart
from meta_prefect.project.naming import project_name
from meta_prefect.project.policies import ExemptionModel, PolicyModel
from meta_prefect.redaction import is_secret_name

FileT = TypeVar("FileT", bound=PartFile)

_MOVED = {
    "project": "Remove it. What was deployed under that name is taken over with `renamed_from` in the project's own file.",
    "include": "Name the files in the project's own file.",
}

_OF_ENTRIES = frozenset(
    {
        "build", "concurrency_limit", "cron", "description", "enforce_parameter_schema", "env", "image", "interval",
        "job_variables", "name", "parameters", "paused", "pull", "rrule", "schedule", "schedules", "tags", "timezone",
        "triggers", "version", "work_pool", "work_queue", "work_queue_name",
    }
)  # fmt: skip
"""Keys of a `prefect.yaml` entry that people write next to `recipe`."""

_OF_FILES = {
    "build": "a recipe that runs in images has the variable `build`",
    "pull": "write `pull:` among the variables of a deployment",
    "push": "a recipe brings the code to where it runs",
    "definitions": "write an anchor (`&name`) where a value stands first",
    "prefect-version": "it has no effect, and may go",
}

_OF_ENVIRONMENTS: dict[str, type[BaseModel]] = {"approval": ApprovalModel}
"""The models of nested keys of an environment."""

_OF_POLICIES: dict[str, type[BaseModel]] = {"policies": PolicyModel, "exempt": ExemptionModel}
"""The models of the items of the policy lists."""

_EXPECTED = {
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
}


def read_project(start: Path, *, required: bool = True) -> Project:
    """Read the project that a file or folder belongs to.

    A file that is included by one further up is a part of that project. If ``start`` is in the folder of such a part, only
    that part is selected and read.


    Args:
        start: A folder, a file in the project, or the project file itself.
        required: Whether there must be a project file with at least one deployment. If not, a folder with only decorated
            flows is a project too; its root is then the given folder (or that of the given file).

    Raises:
        ValidationFailed: All problems, as one or more ProjectFileErrors.
    """
    errors: list[ConfigurationError] = []
    try:
        nearest_file = _project_file(start, required=required)
        file = including(nearest_file) or nearest_file
        document = _read(file, file.name)
    except ProjectFileError as error:
        raise ValidationFailed([error]) from None
    model = _validated(document, ProjectFile, errors)
    included = [nearest_file] if file != nearest_file else _included(document, model, file.parent, errors)
    parts = [_part(one, file.parent, errors) for one in included]
    if required and not errors and not any((model.deployments, *(part.entries for part in parts))):
        errors.append(_nothing_to_deploy(document))
    name, stable = model.project or "", True
    if not name:
        try:
            name, stable = project_name(file.parent)
        except ProjectFileError as error:
            errors.append(error)
    errors.extend(_check_former_names(document, model.renamed_from, name, stable=stable))
    own = _said(file, document, model)
    environments = Environments.of(document, model.environments)
    for entry in (*own["entries"], *(entry for part in parts for entry in part.entries)):
        errors.extend(_unknown_environments(entry, environments))
    if errors:
        raise ValidationFailed(errors)
    return Project.at(
        document,
        **own,
        name=name,
        name_is_stable=stable,
        renamed_from=tuple(dict.fromkeys(model.renamed_from)),
        environments=environments,
        policies=model.policies,
        exempt=model.exempt,
        included=tuple(parts),
        chosen=parts[0] if file != nearest_file else None,
    )


def _said(file: Path, document: Document, model: PartFile) -> dict[str, Any]:
    """Return the fields that every part of a project may set."""
    return {
        "root": file.parent,
        "file": file,
        "owner": model.owner,
        "recipes": model.recipes,
        "flows": model.flows,
        "entries": tuple(
            Entry.at(document, ("deployments", flow, index), flow, entry)
            for flow, entries in model.deployments.items()
            for index, entry in enumerate(entries)
        ),
    }


def _part(file: Path, root: Path, errors: list[ConfigurationError]) -> ProjectPart:
    """Read an included file."""
    try:
        document = _read(file, file.relative_to(root).as_posix())
    except ProjectFileError as error:
        errors.append(error)
        return ProjectPart(root=file.parent, file=file)
    return ProjectPart(**_said(file, document, _validated(document, PartFile, errors)))


def _included(document: Document, model: ProjectFile, root: Path, errors: list[ConfigurationError]) -> list[Path]:
    """Return the files that a project file includes, by path."""
    found: dict[Path, None] = {}
    for index, pattern in enumerate(model.include):
        files = list(matching(root, pattern))
        found |= dict.fromkeys(files)
        if not files:
            where = document.locate(("include", index))
            errors.append(ProjectFileError(f"there is no file {pattern!r} in {root}", where=where))
    return sorted(found)


def including(file: Path) -> Path | None:
    """Find the project file that includes a given one.

    Considers files further up, to the top of the repository, that belong to the same user: anyone may create one in ``/tmp``.

    Raises:
        ValidationFailed: One of these files cannot be read.
    """
    if not file.exists():
        return None
    for folder in () if (file.parent / ".git").exists() else file.parent.parents:
        for name in project_files_in(folder):
            above = folder / name
            if above.stat().st_uid == file.stat().st_uid and _includes(above, file):
                return above
        if (folder / ".git").exists():
            break
    return None


def _includes(above: Path, file: Path) -> bool:
    """Return whether a project file includes another; its other problems are reported when the project is read."""
    document = _read(above, above.name)
    data: object = document.data
    said = cast("dict[str, object]", data).get("include") if isinstance(data, dict) else None
    patterns = cast("list[object]", said) if isinstance(said, list) else [said]
    return any(file in matching(above.parent, one) for one in patterns if isinstance(one, str))


def _check_former_names(
    document: Document, former: tuple[str, ...], name: str, *, stable: bool
) -> Iterator[ProjectFileError]:
    """Yield the reasons why deployments under a former name cannot be taken over."""
    where = document.locate(("renamed_from",))
    if name in former:
        yield ProjectFileError(
            f"{name!r} is the project's present name",
            where=where,
            hint="Give the name that it had before; or remove the key.",
        )
    elif former and not stable:
        yield ProjectFileError(
            f"the project is named {name!r} after its folder, so that another folder of that name would take over the same "
            "deployments",
            where=where,
            hint=f"Write `project: {name}` as well.",
        )


def _unknown_environments(entry: Entry, environments: Environments) -> Iterator[ProjectFileError]:
    """Yield an error for each environment that an entry names but the project does not define."""
    for key, names in (("environments", entry.environments or ()), ("overrides", tuple(entry.overrides))):
        for name, hint in environments.unknown(names):
            place = name if key == "overrides" else names.index(name)
            yield ProjectFileError(
                f"there is no environment {name!r} in this project", where=entry.locate(key, place), hint=hint
            )


def _project_file(start: Path, *, required: bool) -> Path:
    try:
        return find_project_file(start)
    except ProjectFileError:
        if required:
            raise
        folder = start if check_place(start) else start.parent
        if project_files_in(folder):
            raise  # there are two
        return resolved(folder) / FILE_NAMES[0]


def _read(file: Path, name: str) -> Document:
    try:
        content = read_regular(file) if file.exists() else b""
    except OSError as error:
        raise ProjectFileError(f"it cannot be read: {error.strerror}", where=str(file)) from None
    return parse_document(name, content)


def _validated(document: Document, kind: type[FileT], errors: list[ConfigurationError]) -> FileT:
    """Validate the data; return an empty model if it is invalid."""
    errors.extend(document.problems)
    try:
        return kind.model_validate({} if document.data is None else document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        details.sort(key=lambda one: document.position(one["loc"]))
        found = [_explained(document, kind, one) for one in details]
        # values that failed to parse as YAML are None in the data; do not report them twice
        known = {problem.where for problem in errors}
        errors.extend(problem for problem in found if problem.where not in known)
        return kind()


def _explained(document: Document, file: type[PartFile], details: ErrorDetails) -> ProjectFileError:
    """Translate a pydantic error for the user."""
    path, kind, value = details["loc"], details["type"], details["input"]
    key = path[-1] if path else ""
    model = _model_at(path, file)
    if path and path not in document.positions and isinstance(path[-1], int):
        path = path[:-1]  # a single value instead of a list
    hint: str | None = None
    if kind == "extra_forbidden":
        message = f"unknown key {key!r}"
        hint = _meant_by(str(key), model) or nearest(str(key), model.model_fields)
        if len(path) == 1 and key in ProjectFile.model_fields:
            message = f"the key {key!r} is for the project's own file, which includes this one"
            hint = _MOVED.get(str(key), "Write it there.")
    elif kind == "missing":
        message = f"the key {key!r} is missing"
        path = path[:-1]
    elif kind in _EXPECTED:
        message = f"should be {_EXPECTED[kind]}, not {'nothing' if value is None else describe(value, *path)}"
        hint = _hint_for(kind, value, path)
    else:
        message = f"{message_of(details)} (got {describe(value, *path)})"
        hint = cast("str | None", details.get("ctx", {}).get("hint"))
    return ProjectFileError(message, where=document.locate(path), hint=hint)


def _model_at(path: KeyPath, file: type[BaseModel]) -> type[BaseModel]:
    """Return the model of the mapping that contains a path's last key, as far as keys are validated there."""
    match path:
        case ("deployments", _, _, _, *_):
            return EntryModel
        case ("environments", _, str(key), _, *_):
            return _OF_ENVIRONMENTS.get(key, EnvironmentModel)
        case ("environments", _, _):
            return EnvironmentModel
        case ("policies" | "exempt" as key, _, _, *_):
            return _OF_POLICIES[key]
        case _:
            return file


def _meant_by(key: str, model: type[BaseModel]) -> str | None:
    """Suggest a key for one that is unknown here but common in other tools."""
    if model is EntryModel and key in _OF_ENTRIES:
        return f"What the recipe is to know stands below `variables:`; write `{key}:` there."
    if model is EnvironmentModel and is_secret_name(key):
        return f"A secret is named, never written down. {NAME_THE_KEY}"
    if model in (EntryModel, EnvironmentModel, *_OF_ENVIRONMENTS.values(), *_OF_POLICIES.values()):
        return None
    if key == "name":
        return "Write `project:` for the project's name."
    return f"That is a key of `prefect.yaml`; {_OF_FILES[key]}." if key in _OF_FILES else None


def _hint_for(kind: str, value: object, path: KeyPath) -> str | None:
    if kind == "dict_type" and path == ("deployments",):
        return "Each key is a flow's name, with entries `- recipe: …` below it."
    if kind == "tuple_type":
        if len(path) == 2 and path[0] == "deployments":
            return "Each entry begins with a dash: `- recipe: …`."
        return f"Write [{value}]." if isinstance(value, str) else None
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f"Put it in quotes: {describe(describe(value))}."
    return None


def _nothing_to_deploy(document: Document) -> ProjectFileError:
    what = "no deployments" if document.data else "nothing"
    hint = "Name a flow under `deployments:`, with one or more entries `- recipe: …` below it."
    return ProjectFileError(f"the project file holds {what}", where=document.locate(()), hint=hint)
