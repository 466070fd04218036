"""What the tests of the deployer share: a project in a bare Git repository, and one in a folder."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from deployer_projects import FILE, FLOW, RECIPES, GitProject


@pytest.fixture(scope="module")
def git_project(tmp_path_factory: pytest.TempPathFactory) -> GitProject:
    """A project in a repository of its own."""
    return GitProject(tmp_path_factory.mktemp("repository"), f"t{uuid.uuid4().hex[:10]}")


@pytest.fixture
def folder_project(project: Callable[..., Path]) -> Path:
    """A project in a folder, with one deployment and a recipe of its own."""
    return project(**{"flow.py": FLOW, "meta_prefect.yaml": FILE, "recipes.py": RECIPES})
