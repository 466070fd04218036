"""The files of a project that are part of a copy of it, and their hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from meta_prefect.errors import BuilderError

IGNORE_FILE: Final = ".prefectignore"

_NEVER: Final = (
    ".git/",
    "__pycache__/",
    "*.pyc",
    ".venv/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    "node_modules/",
)
"""Patterns that are always excluded from copies of a project, whatever its `.prefectignore` says."""


def project_files(root: Path) -> Iterator[Path]:
    """Yield the files in a folder that its ``.prefectignore`` does not exclude, as sorted relative paths.

    Also excluded are Git's and Python's own folders, virtual environments, symbolic links that are dangling, cyclic or lead
    out of the folder, and anything that is not a regular file, such as a named pipe.
    """
    from pathspec import GitIgnoreSpec

    ignore_file = root / IGNORE_FILE
    written = _read(ignore_file).decode(errors="replace").splitlines() if os.path.isfile(ignore_file) else []  # noqa: PTH113
    # Ours come last, so that no `!pattern` re-includes them.
    ignored = GitIgnoreSpec.from_lines([*written, *_NEVER])
    inside = f"{os.path.realpath(root)}/".replace("//", "/")
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = sorted(
            name
            for name in folders
            if not ignored.match_file(f"{(here / name).as_posix()}/")
            and not os.path.exists(f"{folder}/{name}/pyvenv.cfg")  # noqa: PTH110 - Path.exists raises in a shut folder
        )
        for name in sorted(files):
            path = here / name
            real = os.path.realpath(root / path)  # Path.resolve raises for cyclic links
            if not ignored.match_file(path.as_posix()) and real.startswith(inside) and os.path.isfile(real):  # noqa: PTH113
                yield path


@lru_cache(maxsize=8)
def content_hash(root: str, deploy_id: str) -> str:
    """Return sixteen hex digits that change with the contents and names of a project's files.

    Args:
        root: The project's folder.
        deploy_id: The id of the deploy; the result is cached per deploy.

    Raises:
        BuilderError: A file cannot be read.
    """
    del deploy_id
    digest = hashlib.sha256()
    for path in project_files(Path(root)):
        content = hashlib.sha256(_read(Path(root) / path)).hexdigest()
        digest.update(f"{path.as_posix()}\0{content}\n".encode())
    return digest.hexdigest()[:16]


def _read(file: Path) -> bytes:
    """Read a file of the project.

    Raises:
        BuilderError: It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise BuilderError(
            f"cannot be read, and is part of the code: {(error.strerror or str(error)).lower()}",
            where=str(file),
            hint=f"Let this user read it, or name it in {IGNORE_FILE}.",
        ) from None
