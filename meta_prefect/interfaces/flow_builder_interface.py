"""The one interface that everybody implements who has an opinion about deployments."""

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
"""Where a flow keeps the builders that were applied to it, innermost first."""


class FlowBuilderInterface(ABC):
    """One step in the making of a deployment.

    A builder can be applied to

    * a flow: gives a *new* flow that carries the builder; the original is untouched;
    * another builder: gives a builder that does both, the inner one first, so that the outer one overrides;
    * a flow decorator (``prefect.flow``, or one that has been wrapped already): gives a decorator whose flows carry it.

    ``a | b`` is the same as ``b(a)``: first ``a``, then ``b``, which overrides.

    A subclass needs no ``super().__init__()``. It writes nowhere; whatever it may know is in the deployment and its context.
    """

    @property
    def requires(self) -> Iterable[Component]:
        """Components that must exist before the deployment is written."""
        return ()

    @abstractmethod
    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Say what this builder has to say.

        Args:
            deployment: A private copy; changing it and returning it is as right as returning another one.
        """

    def after_deployment(self, deployment: Deployment) -> None:
        """Act after the deployment has been written; its ``id`` is set. Runs as a task of its own."""
        del deployment

    def adjust_flow(self, flow: Flow[P, R]) -> Flow[P, R]:
        """Return the flow that a decorated one is made from: itself, or one with other options, such as a task runner."""
        return flow

    @property
    def title(self) -> str:
        """What this step is called in the Prefect UI."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type(self).__name__)
        return words.replace("_", " ").strip().lower()

    @overload
    def __call__(self, target: Flow[P, R], /) -> Flow[P, R]: ...
    @overload
    def __call__(self, target: FlowBuilderInterface, /) -> FlowBuilderInterface: ...
    @overload
    def __call__(self, target: D, /) -> D: ...
    def __call__(self, target: Any, /) -> Any:
        """Apply this builder to a flow, to another builder or to a flow decorator."""
        if isinstance(target, FlowBuilderInterface):
            return Chain(*flatten(target), *flatten(self))
        from prefect.flows import Flow  # a caller that has a flow has imported Prefect already

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
        """First this builder, then the other one."""
        if not isinstance(outer, FlowBuilderInterface):  # pyright: ignore[reportUnnecessaryIsInstance] - `builder | flow`
            return NotImplemented
        return outer(self)


class Chain(FlowBuilderInterface):
    """Builders applied one after another.

    Args:
        builders: The builders, innermost first.
    """

    def __init__(self, *builders: FlowBuilderInterface) -> None:
        self.builders = builders

    @property
    def requires(self) -> Iterable[Component]:
        """What any of the builders requires."""
        return [component for builder in self.builders for component in builder.requires]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Apply the builders one after another."""
        for builder in self.builders:
            deployment = builder.update_deployment(deployment)
        return deployment

    def after_deployment(self, deployment: Deployment) -> None:
        """Let each builder act, in the same order."""
        for builder in self.builders:
            builder.after_deployment(deployment)

    def __repr__(self) -> str:
        return " | ".join(repr(builder) for builder in self.builders)


class FlowDecorator:
    """A flow decorator whose flows carry a builder; what :meth:`FlowBuilderInterface.__call__` makes of ``prefect.flow``.

    It is used like the decorator that it wraps, bare (``@flow``) or with arguments (``@flow(retries=2)``).
    """

    def __init__(self, builder: FlowBuilderInterface, decorator: Callable[..., Any]) -> None:
        self._builder = builder
        self._decorator = decorator

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Decorate a function, or take the arguments of the decorator."""
        made = self._decorator(*args, **kwargs)
        if not callable(made):
            raise BuilderError(
                f"was applied to {self._decorator!r}, which is neither a flow nor a flow decorator",
                where=f"builder {self._builder.title}",
                hint="Put the builder above @flow.",
            )
        return self._builder(made)

    def __getattr__(self, name: str) -> Any:
        # What the decorator offers beside decorating, such as `flow.from_source`. Copying and unpickling look for special
        # methods before there is a decorator.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._decorator, name)


def flatten(builder: FlowBuilderInterface) -> tuple[FlowBuilderInterface, ...]:
    """List the single builders of a composition, in the order in which they apply."""
    if isinstance(builder, Chain):
        return tuple(single for inner in builder.builders for single in flatten(inner))
    return (builder,)


def builders_of(flow: object) -> tuple[FlowBuilderInterface, ...]:
    """List the builders that a flow carries, in the order in which they apply."""
    return getattr(flow, BUILDERS_ATTRIBUTE, ())
