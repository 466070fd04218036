"""Flows that carry builders."""

from __future__ import annotations

import copy
from typing import Any, ParamSpec, TypeVar

from prefect.flows import Flow

from meta_prefect.interfaces.flow_builder_interface import BUILDERS_ATTRIBUTE, FlowBuilderInterface, builders_of

P = ParamSpec("P")
R = TypeVar("R")

_HOOKS = ("on_completion", "on_failure", "on_cancellation", "on_crashed", "on_running")


class DeployableFlow(Flow[P, R]):
    """A flow that carries builders, and passes them on to what ``with_options`` makes of it."""

    def with_options(self, **options: Any) -> Flow[P, R]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Make a flow with other options and the same builders. Takes what :meth:`prefect.Flow.with_options` takes."""
        return carrying(super().with_options(**options), builders_of(self))


def carrying(flow: Flow[P, R], builders: tuple[FlowBuilderInterface, ...]) -> Flow[P, R]:
    """Copy a flow and let the copy carry builders; the original is untouched.

    A flow of a class of its own keeps that class; its ``with_options`` is then what that class says.
    """
    copied = copy.copy(flow)
    if type(copied) is Flow:
        copied.__class__ = DeployableFlow
    for hook in _HOOKS:
        # Copies share these lists otherwise, and a hook added to one would run for both.
        setattr(copied, f"{hook}_hooks", list(getattr(flow, f"{hook}_hooks")))
    setattr(copied, BUILDERS_ATTRIBUTE, builders)
    return copied
