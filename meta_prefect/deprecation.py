"""Deprecated public names: they keep working for one minor version and warn."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["forwarding"]


def forwarding(module: str, gone: Mapping[str, str], *, until: str) -> Callable[[str], Any]:
    """Create the ``__getattr__`` of a module from which public names were moved or removed.

    Accessing such a name returns its replacement, with a :class:`DeprecationWarning` that points at the accessing code::

        __getattr__ = forwarding(__name__, {"old_name": "meta_prefect.recipes.new_name"}, until="0.3")

    Args:
        module: The module's name.
        gone: The replacement of each name, as ``package.module.name``.
        until: The version that removes the names.
    """

    def find(name: str) -> Any:
        if name not in gone:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, now = gone[name].rpartition(".")
        message = f"{module}.{name} is now {gone[name]}, and will be gone in Meta-Prefect {until}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(home), now)

    return find
