"""Names that go: for one minor version they still work, and say what takes their place."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["forwarding"]


def forwarding(module: str, gone: Mapping[str, str], *, until: str) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a module that some public names have left.

    Whoever asks for one of them gets what takes its place, with a :class:`DeprecationWarning` that shows where it was asked for::

        __getattr__ = forwarding(__name__, {"old_name": "meta_prefect.recipes.new_name"}, until="0.3")

    Args:
        module: The module's name.
        gone: What takes the place of each name, as ``package.module.name``.
        until: The version in which the names are gone.
    """

    def find(name: str) -> Any:
        if name not in gone:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, now = gone[name].rpartition(".")
        message = f"{module}.{name} is now {gone[name]}, and will be gone in Meta-Prefect {until}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(home), now)

    return find
