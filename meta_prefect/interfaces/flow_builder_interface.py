"""The interface that all builders implement."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast, overload

from meta_prefect.errors import BuilderError
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment

if TYPE_CHECKING:
    from prefect import Flow

__all__ = ["FlowBuilderInterface"]

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", bound=Callable[..., Any])

BUILDERS_ATTRIBUTE: Final = "__meta_prefect_builders__"
"""The attribute in which a flow keeps its builders, innermost first."""


class FlowBuilderInterface(ABC):
    """One step in building a deployment.

    A builder can be applied to

    * a flow: returns a *new* flow with the builder attached; the original is unchanged;
    * another builder: returns a builder that applies both, the inner one first, so that the outer one overrides;
    * a flow decorator (``prefect.flow``, or an already wrapped one): returns a decorator whose flows have it attached.

    ``a | b`` is the same as ``b(a)``: ``a`` applies first, and ``b`` overrides it.

    Subclasses need no ``super().__init__()``. A builder has no side effects; everything it may depend on is in the deployment
    and its context.
    """

    @property
    def requires(self) -> Iterable[Component]:
        """Components that must exist before the deployment is written."""
        return ()

    @abstractmethod
    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Return the deployment with this builder's settings.

        Args:
            deployment: A private copy; it may be changed and returned, or replaced by another one.
        """

    def after_deployment(self, deployment: Deployment) -> None:
        """Act after the deployment was written and its ``id`` is set. Runs as a separate task."""
        del deployment

    def adjust_flow(self, flow: Flow[P, R]) -> Flow[P, R]:
        """Return the flow to attach to: the flow itself, or one with other options, such as a task runner."""
        return flow

    @property
    def title(self) -> str:
        """The name of this step in the Prefect UI."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type(self).__name__)
        return words.replace("_", " ").strip().lower()

    @overload
    def __call__(self, target: Flow[P, R], /) -> Flow[P, R]: ...
    @overload
    def __call__(self, target: FlowBuilderInterface, /) -> FlowBuilderInterface: ...
    @overload
    def __call__(self, target: D, /) -> D: ...
    def __call__(self, target: Any, /) -> Any:
        """Apply this builder to a flow, another builder or a flow decorator."""
        if isinstance(target, FlowBuilderInterface):
            return Chain(*flatten(target), *flatten(self))
        from prefect.flows import Flow  # a caller that has a flow has already imported Prefect

        from meta_prefect.interfaces.deployable_flow import carrying

        if isinstance(target, Flow):
            flow = cast("Flow[..., Any]", target)
            carried = (*builders_of(flow), *flatten(self))
            for single in flatten(self):
                flow = single.adjust_flow(flow)
            return carrying(flow, carried)
        if callable(target):
            return FlowDecorator(self, target)
        raise BuilderError(
            f"cannot be applied to {target!r}",
            where=f"builder {self.title}",
            hint="A builder is applied to a flow, to another builder, or to a flow decorator such as prefect.flow.",
        )

    def __or__(self, outer: FlowBuilderInterface) -> FlowBuilderInterface:
        """Compose: first this builder, then the other."""
        if not isinstance(outer, FlowBuilderInterface):  # pyright: ignore[reportUnnecessaryIsInstance] - `builder | flow`
            return NotImplemented
        return outer(self)


class Chain(FlowBuilderInterface):
    """Several builders applied in order.

    Args:
        builders: The builders, innermost first.
    """

    def __init__(self, *builders: FlowBuilderInterface) -> None:
        self.builders = builders

    @property
    def requires(self) -> Iterable[Component]:
        """Everything that any of the builders requires."""
        return [component for builder in self.builders for component in builder.requires]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Apply the builders in order."""
        for builder in self.builders:
            deployment = builder.update_deployment(deployment)
        return deployment

    def after_deployment(self, deployment: Deployment) -> None:
        """Call each builder's hook, in the same order."""
        for builder in self.builders:
            builder.after_deployment(deployment)

    def __repr__(self) -> str:
        return " | ".join(repr(builder) for builder in self.builders)


class FlowDecorator:
    """A flow decorator whose flows have a builder attached; the result of applying a builder to ``prefect.flow``.

    Use it like the wrapped decorator, bare (``@flow``) or with arguments (``@flow(retries=2)``).
    """

    def __init__(self, builder: FlowBuilderInterface, decorator: Callable[..., Any]) -> None:
        self._builder = builder
        self._decorator = decorator

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Decorate a function, or accept the decorator's arguments."""
        made = self._decorator(*args, **kwargs)
        if not callable(made):
            raise BuilderError(
                f"was applied to {self._decorator!r}, which is neither a flow nor a flow decorator",
                where=f"builder {self._builder.title}",
                hint="Put the builder above @flow.",
            )
        return self._builder(made)

    def __getattr__(self, name: str) -> Any:
        # For other attributes of the decorator, such as `flow.from_source`. Copying and unpickling look up special methods
        # before `_decorator` exists.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._decorator, name)


def flatten(builder: FlowBuilderInterface) -> tuple[FlowBuilderInterface, ...]:
    """Return the individual builders of a composition, in the order in which they apply."""
    if isinstance(builder, Chain):
        return tuple(single for inner in builder.builders for single in flatten(inner))
    return (builder,)


def builders_of(flow: object) -> tuple[FlowBuilderInterface, ...]:
    """Return the builders attached to a flow, in the order in which they apply."""
    return getattr(flow, BUILDERS_ATTRIBUTE, ())
