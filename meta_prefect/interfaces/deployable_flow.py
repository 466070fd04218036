"""Flows with builders attached."""

from __future__ import annotations

import copy
from typing import Any, ParamSpec, TypeVar

from prefect.flows import Flow

from meta_prefect.interfaces.flow_builder_interface import BUILDERS_ATTRIBUTE, FlowBuilderInterface, builders_of

P = ParamSpec("P")
R = TypeVar("R")

_HOOKS = ("on_completion", "on_failure", "on_cancellation", "on_crashed", "on_running")


class DeployableFlow(Flow[P, R]):
    """A flow with builders attached, which ``with_options`` preserves."""

    def with_options(self, **options: Any) -> Flow[P, R]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Make a flow with other options and the same builders; for the arguments see :meth:`prefect.Flow.with_options`."""
        return carrying(super().with_options(**options), builders_of(self))


def carrying(flow: Flow[P, R], builders: tuple[FlowBuilderInterface, ...]) -> Flow[P, R]:
    """Copy a flow and attach builders to the copy; the original is unchanged.

    An instance of a custom flow class keeps its class, and then the class's own ``with_options`` applies.
    """
    copied = copy.copy(flow)
    if type(copied) is Flow:
        copied.__class__ = DeployableFlow
    for hook in _HOOKS:
        # Copies would share these lists, and a hook added to one would run for both.
        setattr(copied, f"{hook}_hooks", list(getattr(flow, f"{hook}_hooks")))
    setattr(copied, BUILDERS_ATTRIBUTE, builders)
    return copied
