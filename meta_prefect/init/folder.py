"""The folder in which a project begins, and the name that it may have."""

from __future__ import annotations

from pathlib import Path

from meta_prefect.errors import ProjectFileError, TargetError
from meta_prefect.init.found import Found
from meta_prefect.project import check_searchable
from meta_prefect.project.locating import check_place, project_files_in, resolved
from meta_prefect.project.naming import project_name, slug


def check_new(path: Path) -> Path:
    """Check that a project can begin in a folder; returns the folder.

    Raises:
        ProjectFileError: It is no folder, is a project already, or is no place for one.
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
    """The name of a project where nobody gives one: what its source calls itself, else pyproject, repository or folder."""
    return slug(found.project or "") or project_name(root)[0]


def check_project_name(name: str) -> str:
    """Check a name that somebody gives.

    Raises:
        TargetError: It can be none.
    """
    if name != (usable := slug(name)) or not name:
        raise TargetError(
            f"{name!r} can be no project's name: that is lower-case letters, digits and single hyphens",
            where="--project",
            hint=f"Write {usable!r}." if usable else "For example 'sales-reports'.",
        )
    return name
