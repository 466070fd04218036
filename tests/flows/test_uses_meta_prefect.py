"""Finding the modules that use Meta-Prefect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from meta_prefect.flows import uses_meta_prefect

Write = Callable[[Mapping[str, str]], Path]

FILES = {
    "direct.py": "import meta_prefect.interfaces as m",
    "named.py": "from deployer_flows import local_run_deployer",
    "recipes.py": "from meta_prefect import recipe",
    "absolute.py": "from recipes import mine",
    "chain.py": "import absolute",
    "circle_a.py": "import circle_b",
    "circle_b.py": "import circle_a, chain",
    "conditional.py": "try:\n  import meta_prefect\nexcept ImportError: ...",
    "pkg/__init__.py": "",
    "pkg/inner.py": "from .builders import eks",
    "pkg/builders/__init__.py": "from .aws import eks",
    "pkg/builders/aws.py": "from meta_prefect.implementations.infra import eks",
    "pkg/deep/far.py": "from ..builders import aws",
    "outer.py": "from pkg.inner import flow",
    "package_user.py": "import pkg.builders",
    "scripts/run.py": "import helper",
    "scripts/helper.py": "import meta_prefect",
    "src/lib/__init__.py": "",
    "src/lib/one.py": "from lib.two import x",
    "src/lib/two.py": "import meta_prefect",
    "acme_user.py": "from acme.recipes import nightly",
    "broken.py": "import meta_prefect\ndef (",
    "broken_user.py": "from pkg.builders import aws\ndef (",
}

OTHERS = {
    "nothing.py": "import os",
    "text.py": "x = 'import meta_prefect'",
    "similar.py": "import meta_prefect_tools",
    "lazy.py": "def f():\n  import meta_prefect",
    "typing_only.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  import meta_prefect",
    "pkg/other.py": "from . import nothing_of_that_kind",
    "broken_elsewhere.py": "import os  # no meta_prefect\ndef (",
}


def test_users_are_found_directly_and_through_the_project(write: Write) -> None:
    """Imports are followed through the project's own modules, in any form, in circles too."""
    root = write(FILES | OTHERS)
    found = {file.relative_to(root).as_posix() for file in uses_meta_prefect(root, ["acme"])}
    assert found == FILES.keys() - {"pkg/__init__.py", "src/lib/__init__.py"}


def test_other_packages_count_only_where_they_are_named(write: Write) -> None:
    """An installed recipe package is no use of Meta-Prefect unless it is said to be one."""
    root = write({"acme_user.py": "from acme.recipes import nightly", "other.py": "import acme_other"})
    assert uses_meta_prefect(root) == ()
    assert uses_meta_prefect(root, ["acme.recipes"]) == (root / "acme_user.py",)
    assert uses_meta_prefect(root, ["acme"]) == (root / "acme_user.py",)
