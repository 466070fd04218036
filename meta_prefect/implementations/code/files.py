"""The files of a project that belong in a copy of it, and a hash of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from meta_prefect.files import place_in, read_regular

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
"""Patterns of what is in no copy of a project, whatever its `.prefectignore` says."""


def project_files(root: Path) -> Iterator[Path]:
    """Yield the files below a folder that its ``.prefectignore`` does not exclude, as paths relative to it, sorted.

    Left out are also Git's and Python's own folders, virtual environments, symbolic links that lead out of the folder or nowhere,
    and what is no regular file.
    """
    from pathspec import GitIgnoreSpec

    ignore_file = root / IGNORE_FILE
    written = read_regular(ignore_file).decode(errors="replace").splitlines() if ignore_file.is_file() else []
    # Ours come last, so that no `!pattern` brings them back.
    ignored = GitIgnoreSpec.from_lines([*written, *_NEVER])
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = sorted(
            name
            for name in folders
            if not ignored.match_file(f"{(here / name).as_posix()}/")
            and not (Path(folder) / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            path = here / name
            if not ignored.match_file(path.as_posix()) and (root / path).is_file() and place_in(root, path) is not None:
                yield path


@lru_cache(maxsize=8)
def content_hash(root: str, deploy_id: str) -> str:
    """Sixteen hex digits that change with the content and names of a project's files.

    Args:
        root: The project's folder.
        deploy_id: The deploy: within one, the files are read once.
    """
    del deploy_id
    digest = hashlib.sha256()
    for path in project_files(Path(root)):
        content = hashlib.sha256((Path(root) / path).read_bytes()).hexdigest()
        digest.update(f"{path.as_posix()}\0{content}\n".encode())
    return digest.hexdigest()[:16]
