"""Projects made of the files that a test names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files, given by path and content, into the project's folder, which is returned."""
    root = tmp_path / "project"

    def write_files(files: Mapping[str, str]) -> Path:
        root.mkdir(exist_ok=True)
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return root

    return write_files
