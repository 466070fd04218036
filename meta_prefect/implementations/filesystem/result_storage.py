"""What a flow's result storage needs."""

from __future__ import annotations

from meta_prefect.interfaces.components import Component


def components_of(flow: object) -> tuple[Component, ...]:
    """List what must exist before a flow can store its results.

    Args:
        flow: A flow. Its ``result_storage`` may be of any class that has ``requires``, as a builder has.
    """
    storage = getattr(flow, "result_storage", None)
    return tuple(component for component in getattr(storage, "requires", ()) if isinstance(component, Component))
