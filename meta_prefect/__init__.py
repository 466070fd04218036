"""Deploy Prefect projects with recipes written in Python, as observed Prefect flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meta_prefect.policies import policy
    from meta_prefect.recipes import recipe

__version__ = "0.1.0"
__all__ = ["policy", "recipe"]


def __getattr__(name: str) -> Any:
    # Prefect takes a second or two to import, and `meta-prefect --help` does not need it.
    if name == "recipe":
        from meta_prefect.recipes import recipe

        return recipe
    if name == "policy":
        from meta_prefect.policies import policy

        return policy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
