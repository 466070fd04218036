"""Finds the project file by walking up from the current folder, as other tools do."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from meta_prefect.errors import ProjectFileError
from meta_prefect.files import is_regular, place_in

FILE_NAMES = ("meta_prefect.yaml", "meta_prefect.yml")
"""The names of a project file, in lookup order."""

_MARKS_OF_PROJECTS: Final = (".git", ".prefectignore", "pyproject.toml", "requirements.txt", "setup.cfg", "setup.py")

_KINDS: Final = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

_WHAT_TO_WRITE = """Write one in the folder of your project, for example:
    deployments:
      my-flow:
        - recipe: local_run_deployer
          variables:
            name: local-run"""
_WHAT_TO_GIVE = "Give the folder of your project."


def path_exists(target: str) -> bool:
    """Return whether anything exists at a path, including a dangling symbolic link."""
    try:
        os.lstat(target)
    except PermissionError:  # cannot be determined; but it was meant as a path if a folder blocks the way
        return True
    except (OSError, ValueError):
        return False
    return True


def find_project_file(start: Path) -> Path:
    """Find the project file that applies to a file or folder.

    The search walks up from ``start`` to the root of the git repository, or of the file system outside a repository.

    Args:
        start: A folder, a file in the project, or the project file itself (any YAML file).

    Returns:
        The absolute path; its folder is resolved, but not the file itself (it may be a symbolic link).

    Raises:
        ProjectFileError: ``start`` is not a readable file or folder, there is no project file, or a folder contains two.
    """
    is_folder = check_place(start)
    folder = resolved(start if is_folder else start.parent)
    if not is_folder and start.suffix in {".yaml", ".yml"}:
        return folder / start.name
    highest = folder
    for highest in (folder, *folder.parents):
        if found := project_files_in(highest):
            return _only(highest, found)
        if _is_there(highest / ".git"):
            break
    looked = str(folder) if folder == highest else f"{folder} and above, up to {highest}"
    raise ProjectFileError(f"there is no {FILE_NAMES[0]} in {looked}", hint=_WHAT_TO_WRITE)


def check_place(start: Path) -> bool:
    """Check that a path can be a project's folder or a file in it; return whether it is a folder.

    Raises:
        ProjectFileError: It does not exist, is not accessible, or is neither a file nor a folder.
    """
    try:
        kind = stat.S_IFMT(start.stat().st_mode)
    except (OSError, ValueError) as error:
        raise ProjectFileError(_why_not(start, error), hint=_WHAT_TO_GIVE) from None
    if kind == stat.S_IFDIR:
        if not os.access(start, os.R_OK | os.X_OK):
            raise ProjectFileError(
                f"the folder {str(start)!r} may not be read by the user with the id {os.geteuid()}",
                hint="Let this user read it and enter it.",
            )
        return True
    if kind != stat.S_IFREG:
        raise ProjectFileError(
            f"{str(start)!r} is {_KINDS.get(kind, 'something else')}, not a file or folder", hint=_WHAT_TO_GIVE
        )
    return False


def project_files_in(folder: Path) -> list[str]:
    """Return the names of the project files in a folder.

    Raises:
        ProjectFileError: One cannot be read, such as a dangling symbolic link.
    """
    found = [name for name in FILE_NAMES if _is_there(folder / name)]
    for name in found:
        if check_place(folder / name):
            raise ProjectFileError(f"{folder / name} is a folder, not a file", hint="Rename it.")
    return found


def matching(root: Path, pattern: str) -> Iterator[Path]:
    """Yield the project files below a folder that match a pattern: ``*`` is part of a folder's name, ``**`` any folders.

    Hidden folders, installed packages and symbolic links out of the folder are excluded.
    """
    try:
        found = sorted(root.glob(pattern))
    except (ValueError, NotImplementedError, IndexError):  # invalid pattern
        return
    for one in found:
        file = Path(os.path.realpath(one.parent), one.name)
        parts = one.relative_to(root).parts
        if (
            file.parent != root
            and is_regular(file)
            and place_in(root, file) is not None
            and not any(map(_is_foreign, parts))
        ):
            yield file


def _is_foreign(folder: str) -> bool:
    return folder.startswith(".") or folder in {"node_modules", "site-packages"}


def part_around(root: Path, path: str) -> Path:
    """Return the folder of the part that a file belongs to, relative to the project: that of the nearest project file."""
    place = place_in(root, path) or root
    around = [one for one in place.parents if one != root and one.is_relative_to(root)]
    return next((one.relative_to(root) for one in around if project_files_in(one)), Path())


def check_searchable(folder: Path) -> None:
    """Refuse to search a whole machine or home directory for flows: the user is in the wrong folder.

    Raises:
        ProjectFileError: The folder is the file system's root or the user's home, and nothing in it looks like a project.
    """
    what = "the root of the file system" if folder == Path(folder.anchor) else "your home folder"
    if folder not in (Path(folder.anchor), _home()) or any(_is_there(folder / name) for name in _MARKS_OF_PROJECTS):
        return
    raise ProjectFileError(
        f"there is no {FILE_NAMES[0]} in {folder}, and {what} is not searched for flows",
        hint="Change to the folder of your project, or give it: `meta-prefect … path/to/project`.",
    )


def _home() -> Path | None:
    try:
        return Path.home().resolve()
    except (OSError, RuntimeError):
        return None


def resolved(folder: Path) -> Path:
    """Return the absolute path of a folder without symbolic links.

    Raises:
        ProjectFileError: The current folder was deleted, or the path is not valid text, which Prefect's API requires.
    """
    try:
        found = folder.resolve()
    except FileNotFoundError:
        raise ProjectFileError("the present folder has been deleted", hint="Change to another one.") from None
    try:
        str(found).encode()
    except UnicodeEncodeError:
        raise ProjectFileError(
            f"the path {str(found)!r} is not valid UTF-8, so it cannot be sent to a Prefect API",
            hint="Rename the folder.",
        ) from None
    return found


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _why_not(path: Path, error: OSError | ValueError) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ELOOP:
        return f"{str(path)!r} is a symbolic link that leads back to itself"
    if number == errno.ENOENT and path.is_symlink():
        return f"{str(path)!r} is a symbolic link to {str(path.readlink())!r}, which is not there"
    if number in {errno.ENOENT, errno.ENOTDIR}:
        return f"there is no file or folder {str(path)!r}"
    if number == errno.EACCES:
        return f"{str(path)!r} may not be looked at by the user with the id {os.geteuid()}"
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return f"{str(path)[:100]!r} cannot be looked at: {reason.lower()}"


def _only(folder: Path, names: list[str]) -> Path:
    if len(names) > 1:
        raise ProjectFileError(f"{folder} holds both {' and '.join(names)}", hint=f"Keep {FILE_NAMES[0]} alone.")
    return folder / names[0]
