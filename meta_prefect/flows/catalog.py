"""What is known of a project's flows in one deploy: from their source where that makes it certain, else by importing them.

Real flow modules import libraries for seconds, which a deploy that finds nothing to do need not wait for. What it does write is
imported before: a module that cannot be imported is then an error, and what the import gives is what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meta_prefect.errors import ConfigurationError, FlowImportError
from meta_prefect.flows.loader import ProjectModules
from meta_prefect.flows.parameters import parameter_form
from meta_prefect.flows.static_facts import StaticFacts
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import FlowFacts
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface, builders_of

if TYPE_CHECKING:
    from prefect import Flow


@dataclass(frozen=True, slots=True)
class FlowEntry:
    """A flow as deployments need it.

    Attributes:
        facts: What is known of it.
        function: The name of its function, where it was imported.
        builders: The builders that it carries.
        requires: What it needs itself, such as the block of its result storage.
        is_imported: Whether its module was imported; else its source alone was read.
    """

    facts: FlowFacts
    function: str = ""
    builders: tuple[FlowBuilderInterface, ...] = ()
    requires: tuple[Component, ...] = ()
    is_imported: bool = True


class FlowCatalog:
    """The flows of one project during one deploy.

    Args:
        modules: The project's modules.
        source: What their source makes certain; None leaves all to importing.

    Attributes:
        modules: As above.
    """

    def __init__(self, modules: ProjectModules, source: StaticFacts | None = None) -> None:
        self.modules = modules
        self._source = source
        self._known: dict[str, FlowEntry] = {}
        self._to_import: set[str] = set()

    def read(self, entrypoints: Iterable[str]) -> None:
        """Read what some flows are from their source, where that makes it certain."""
        for one in set(entrypoints) - self._known.keys() - self._to_import:
            if self._source is not None and (facts := self._source.of(one)):
                self._known[one] = FlowEntry(facts, is_imported=False)

    def of(self, entrypoint: str, *, where: str | None = None) -> FlowEntry:
        """What is known of a flow; its module is imported where nothing is.

        Raises:
            FlowNotFoundError: There is no such file, module or attribute, or it is no flow.
            FlowImportError: The module raised an exception.
        """
        if entrypoint not in self._known:
            self._known[entrypoint] = self._learned(entrypoint, where)
        return self._known[entrypoint]

    def confirm(self, entrypoints: Iterable[str]) -> bool:
        """Import those of some flows of which the source alone was read.

        Returns:
            Whether each of them is what its source says. If not, it has to be asked for again.
        """
        read = {one: self._known[one].facts for one in entrypoints if not self._known[one].is_imported}
        self._to_import |= read.keys()
        for one in read:
            del self._known[one]
        return all([self._is_nothing_but(facts) for facts in read.values()])  # noqa: C419 - all of them are imported

    def _is_nothing_but(self, facts: FlowFacts) -> bool:
        try:
            flow = self.of(facts.entrypoint)
        except ConfigurationError:
            return False  # raised again where it can be said what asks for the flow
        return flow.facts == facts and not flow.builders and not flow.requires

    def _learned(self, entrypoint: str, where: str | None) -> FlowEntry:
        flow: Flow[..., Any] = self.modules.load_flow(entrypoint, where=where)
        with self.modules.imported():
            return entry_of(flow, entrypoint, self.modules.root, where=where)


def entry_of(flow: Flow[..., Any], entrypoint: str, root: Path, *, where: str | None = None) -> FlowEntry:
    """What is known of a flow that has been imported.

    Args:
        flow: The flow.
        entrypoint: How a worker finds it from the project's folder.
        root: The project's folder.
        where: Who asks, for the message.

    Raises:
        FlowImportError: Its parameters have no form.
    """
    try:
        form = parameter_form(flow.fn)
    except Exception as error:  # whatever Pydantic raises
        why = f"Prefect can make no form of the parameters of {flow.name!r}: {type(error).__name__}: {error}"
        raise FlowImportError(why, where=where or entrypoint, hint="`prefect deploy` fails there as well.") from error
    facts = FlowFacts(
        name=flow.name,
        entrypoint=entrypoint,
        source=str(root),
        description=flow.description,
        version=flow.version,
        parameter_schema=form,
        tags=tuple(getattr(flow, "tags", ()) or ()),
        module=flow.fn.__module__,
        file=flow.fn.__code__.co_filename,
    )
    return FlowEntry(facts, flow.fn.__name__, builders_of(flow), components_of(flow))


def catalog_of(root: Path, *, from_source: bool, named_from: Path | None = None) -> FlowCatalog:
    """The flows of a folder, read from their source where that makes certain what they are, or all of them imported."""
    modules = ProjectModules(root, named_from)
    return FlowCatalog(modules, StaticFacts(modules) if from_source else None)


class ProjectFlows:
    """The flows of a project, of which each part has modules of its own: a `flows.py` in two folders is two modules.

    Args:
        root: The project's folder.
        from_source: Whether flows are read from their source where that makes certain what they are; else all are imported.
        modules: The modules of the project's own folder, where they are not just the files in it.
    """

    def __init__(self, root: Path, *, from_source: bool, modules: ProjectModules | None = None) -> None:
        self._root = root.resolve()
        self._from_source = from_source
        self._parts: dict[Path, FlowCatalog] = {}
        if modules is not None:
            self._parts[self._root] = FlowCatalog(modules, StaticFacts(modules) if from_source else None)

    def of(self, folder: Path) -> FlowCatalog:
        """The flows of the part in a folder."""
        if folder not in self._parts:
            self._parts[folder] = catalog_of(folder, from_source=self._from_source, named_from=self._root)
        return self._parts[folder]

    def modules_around(self, function: Callable[..., Any], otherwise: ProjectModules) -> ProjectModules:
        """The modules among which a function of the project stands, so that it can import them when it is called."""
        file = Path(function.__code__.co_filename)
        around = [folder for folder in self._parts if file.is_relative_to(folder)]
        return self._parts[max(around, key=lambda one: len(one.parts))].modules if around else otherwise

    def confirm(self, flows: Iterable[FlowFacts]) -> bool:
        """Import flows of which the source alone was read; returns whether each of them is what its source says."""
        entrypoints: dict[Path, list[str]] = {}
        for one in flows:
            entrypoints.setdefault(Path(one.source), []).append(one.entrypoint)
        return all([self.of(folder).confirm(those) for folder, those in entrypoints.items()])  # noqa: C419 - all are imported


def components_of(flow: object) -> tuple[Component, ...]:
    """List what must exist before a flow can store its results.

    Args:
        flow: A flow. Its ``result_storage`` may be of any class that has ``requires``, as a builder has.
    """
    storage = getattr(flow, "result_storage", None)
    return tuple(component for component in getattr(storage, "requires", ()) if isinstance(component, Component))
