"""Find the project file, walking up from where the user stands, as other tools do."""

from __future__ import annotations

from pathlib import Path

from meta_prefect.errors import ProjectFileError

FILE_NAMES = ("meta_prefect.yaml", "meta_prefect.yml")
"""The names of a project file, in the order in which they are looked for."""

_WHAT_TO_WRITE = """Write one in the folder of your project, for example:
    deployments:
      my-flow:
        - recipe: local_run_deployer
          variables:
            name: local-run"""


def find_project_file(start: Path) -> Path:
    """Find the project file that counts for a file or folder.

    The search goes up from ``start`` and ends at the top of the git repository, or at the file system's root outside of one.

    Args:
        start: A folder, a file in the project, or the project file itself (any YAML file).

    Returns:
        The absolute path; its folder is resolved, the file itself is not (it may be a symbolic link).

    Raises:
        ProjectFileError: ``start`` does not exist, there is no project file, or one folder holds two.
    """
    if not start.exists():
        raise ProjectFileError(f"there is no file or folder {str(start)!r}", hint="Give the folder of your project.")
    if start.is_file() and start.suffix in {".yaml", ".yml"}:
        return start.parent.resolve() / start.name
    lowest = start.resolve() if start.is_dir() else start.parent.resolve()
    highest = lowest
    for highest in (lowest, *lowest.parents):
        if found := [name for name in FILE_NAMES if (highest / name).is_file()]:
            return _only(highest, found)
        if (highest / ".git").exists():
            break
    looked = str(lowest) if lowest == highest else f"{lowest} and above, up to {highest}"
    raise ProjectFileError(f"there is no {FILE_NAMES[0]} in {looked}", hint=_WHAT_TO_WRITE)


def _only(folder: Path, names: list[str]) -> Path:
    if len(names) > 1:
        raise ProjectFileError(f"{folder} holds both {' and '.join(names)}", hint=f"Keep {FILE_NAMES[0]} alone.")
    return folder / names[0]
