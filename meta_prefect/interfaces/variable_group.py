"""Variables that several recipes have in common: written once, and taken by each as one parameter."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["VariableGroup"]


@dataclass(frozen=True, kw_only=True)
class VariableGroup:
    """Variables that stand together. A recipe that takes a group as a parameter has each of its fields as a variable.

    A subclass is a dataclass of the same kind: its annotations and defaults mean what they mean in a recipe's signature, and the
    ``Attributes`` of its docstring are their help.
    """
