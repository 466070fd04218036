"""Checks the folder and the name of a new project."""

from __future__ import annotations

from pathlib import Path

from meta_prefect.errors import ProjectFileError, TargetError
from meta_prefect.init.found import Found
from meta_prefect.project import check_searchable
from meta_prefect.project.locating import check_place, project_files_in, resolved
from meta_prefect.project.naming import project_name, slug


def check_new(path: Path) -> Path:
    """Check that a project can start in a folder; return the folder.

    Raises:
        ProjectFileError: It is not a folder, is already a project, or is not suitable.
    """
    if not check_place(path):
        raise ProjectFileError(
            f"{str(path)!r} is a file, and a project begins in a folder",
            hint="Give the folder; `--from FILE` names the prefect.yaml that it is made from.",
        )
    folder = resolved(path)
    if there := project_files_in(folder):
        raise ProjectFileError(
            "there is a project file already, which is not overwritten",
            where=str(folder / there[0]),
            hint="`meta-prefect plan` says what a deploy of it would do. To begin anew, rename it.",
        )
    check_searchable(folder)
    return folder


def proposed_name(root: Path, found: Found) -> str:
    """Return the default name of a project: that of its source, else of pyproject, the repository or the folder."""
    return slug(found.project or "") or project_name(root)[0]


def check_project_name(name: str) -> str:
    """Check a name given by the user.

    Raises:
        TargetError: It is not a valid name.
    """
    if name != (usable := slug(name)) or not name:
        raise TargetError(
            f"{name!r} can be no project's name: that is lower-case letters, digits and single hyphens",
            where="--project",
            hint=f"Write {usable!r}." if usable else "For example 'sales-reports'.",
        )
    return name
