"""What is known of a project's flows: each is looked at once in a deploy, and remembered for later ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meta_prefect.discovery.modules import ProjectModules
from meta_prefect.discovery.parameters import parameter_form
from meta_prefect.discovery.remembering import memory_of
from meta_prefect.errors import FlowNotFoundError
from meta_prefect.implementations.filesystem import components_of
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import FlowFacts
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface, builders_of

if TYPE_CHECKING:
    from prefect import Flow


@dataclass(frozen=True, slots=True)
class KnownFlow:
    """A flow as deployments need it.

    Attributes:
        facts: What is known of it.
        function: The name of its function, where it was imported.
        builders: The builders that it carries.
        requires: What it needs itself, such as the block of its result storage.
        is_remembered: Whether an earlier deploy has learned this, so that its module was not imported.
    """

    facts: FlowFacts
    function: str = ""
    builders: tuple[FlowBuilderInterface, ...] = ()
    requires: tuple[Component, ...] = ()
    is_remembered: bool = False

    @property
    def can_be_remembered(self) -> bool:
        """Whether the facts are all there is to it: builders and components are objects of its module."""
        return not (self.builders or self.requires or self.is_remembered)


class KnownFlows:
    """The flows of one project during one deploy.

    Args:
        modules: The project's modules.

    Attributes:
        modules: As above.
    """

    def __init__(self, modules: ProjectModules) -> None:
        self.modules = modules
        self._known: dict[str, KnownFlow] = {}

    def recall(self, entrypoints: Iterable[str]) -> None:
        """Take what is remembered of some flows, if it is enough to import none of their modules."""
        memory = self.modules.memory
        unknown = [one for one in dict.fromkeys(entrypoints) if not self._is_at_hand(one)]
        if memory is not None and unknown and (facts := memory.recall(unknown)) is not None:
            self._known |= {one: KnownFlow(found, is_remembered=True) for one, found in facts.items()}

    def of(self, entrypoint: str, *, where: str | None = None) -> KnownFlow:
        """What is known of a flow; its module is imported if need be.

        Raises:
            FlowNotFoundError: There is no such file, module or attribute, or it is no flow.
            FlowImportError: The module raised an exception.
        """
        if entrypoint not in self._known:
            self._known[entrypoint] = self._learned(entrypoint, where)
        return self._known[entrypoint]

    def keep(self) -> None:
        """Remember what was learned by importing."""
        learned = {one: known.facts for one, known in self._known.items() if known.can_be_remembered}
        if self.modules.memory is not None and learned:
            self.modules.memory.keep(learned)

    def _is_at_hand(self, entrypoint: str) -> bool:
        try:
            return entrypoint in self._known or self.modules.has_executed(entrypoint)
        except FlowNotFoundError:
            return False  # not remembered either, so that loading it says what is wrong

    def _learned(self, entrypoint: str, where: str | None) -> KnownFlow:
        flow: Flow[..., Any] = self.modules.load_flow(entrypoint, where=where)
        with self.modules.imported():
            form = parameter_form(flow)
        facts = FlowFacts(
            name=flow.name,
            entrypoint=entrypoint,
            source=str(self.modules.root),
            description=flow.description,
            parameter_schema=form,
            tags=tuple(getattr(flow, "tags", ()) or ()),
            module=flow.fn.__module__,
            file=flow.fn.__code__.co_filename,
        )
        return KnownFlow(facts, flow.fn.__name__, builders_of(flow), components_of(flow))


def flows_of(root: Path, *, remembered: bool) -> KnownFlows:
    """The flows of a project, with or without what earlier deploys have learned of them; before its modules are imported."""
    root = root.resolve()
    return KnownFlows(ProjectModules(root, memory_of(root) if remembered else None))
