"""Groups of variables shared by several recipes: defined once, taken by each as one parameter."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["VariableGroup"]


@dataclass(frozen=True, kw_only=True)
class VariableGroup:
    """A group of variables. A recipe with a parameter of this type gets each field as a variable.

    Subclasses are dataclasses of the same kind: annotations and defaults mean the same as in a recipe's signature, and the
    ``Attributes`` of the docstring become their help texts.
    """
