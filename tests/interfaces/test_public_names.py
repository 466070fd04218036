"""What other people's code may import: listed, so that nothing of it comes or goes unnoticed."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from meta_prefect.deprecation import forwarding

PAGE = Path(__file__).parents[2] / ".github" / "PUBLIC_NAMES.md"
ROWS: list[tuple[str, str]] = re.findall(r"^\| `([\w.]+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
PUBLIC = {module: re.findall(r"`(\w+)`", names) for module, names in ROWS}


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_of_a_module_are_those_listed(module: str) -> None:
    """Each is there; a new one joins the list, and one that goes is forwarded for a version first."""
    there = importlib.import_module(module)

    assert sorted(there.__all__) == sorted(PUBLIC[module])
    assert [name for name in there.__all__ if getattr(there, name, None) is None] == []


def test_a_name_that_has_left_says_where_it_is_now() -> None:
    """It works for a version, with a warning; what never was there is no attribute."""
    ask = forwarding("meta_prefect.old", {"make": "meta_prefect.recipe"}, until="0.3")

    with pytest.warns(
        DeprecationWarning, match=r"meta_prefect.old.make is now meta_prefect.recipe, and will be gone in .* 0.3"
    ):
        assert ask("make") is importlib.import_module("meta_prefect").recipe
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        ask("other")


@pytest.mark.thorough
def test_the_types_of_all_public_names_are_known() -> None:
    """Whoever checks types gets them all, also of what public names are made of."""
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--verifytypes", "meta_prefect", "--ignoreexternal"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
