"""The catalog of a project's flows in one deploy: read from source if that is certain, otherwise by importing.

Flow modules often import libraries for seconds, which a deploy with nothing to do should not wait for. Anything that will be
written is imported first: a module that fails to import is then an error, and the import has the final say.
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
    """What deployments need to know about a flow.

    Attributes:
        facts: Its name, description, parameters and so on.
        function: The name of its function, if it was imported.
        builders: The builders attached to it.
        requires: The components it needs itself, such as the block of its result storage.
        is_imported: Whether its module was imported; if not, only its source was read.
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
        source: Reads flows from source; None to import them all.

    Attributes:
        modules: As above.
    """

    def __init__(self, modules: ProjectModules, source: StaticFacts | None = None) -> None:
        self.modules = modules
        self._source = source
        self._known: dict[str, FlowEntry] = {}
        self._to_import: set[str] = set()

    def read(self, entrypoints: Iterable[str]) -> None:
        """Read flows from their source, where that is certain."""
        for one in set(entrypoints) - self._known.keys() - self._to_import:
            if self._source is not None and (facts := self._source.of(one)):
                self._known[one] = FlowEntry(facts, is_imported=False)

    def of(self, entrypoint: str, *, where: str | None = None) -> FlowEntry:
        """Return a flow's entry; its module is imported if its source was not conclusive.

        Raises:
            FlowNotFoundError: The file, module or attribute does not exist, or is not a flow.
            FlowImportError: The module raised an exception.
        """
        if entrypoint not in self._known:
            self._known[entrypoint] = self._learned(entrypoint, where)
        return self._known[entrypoint]

    def confirm(self, entrypoints: Iterable[str]) -> bool:
        """Import the given flows if only their source was read so far.

        Returns:
            Whether each import agrees with the source. If not, query the entry again.
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
            return False  # raised again where the error can name what refers to the flow
        return flow.facts == facts and not flow.builders and not flow.requires

    def _learned(self, entrypoint: str, where: str | None) -> FlowEntry:
        flow: Flow[..., Any] = self.modules.load_flow(entrypoint, where=where)
        with self.modules.imported():
            return entry_of(flow, entrypoint, self.modules.root, where=where)


def entry_of(flow: Flow[..., Any], entrypoint: str, root: Path, *, where: str | None = None) -> FlowEntry:
    """Build the entry of an imported flow.

    Args:
        flow: The flow.
        entrypoint: Its entrypoint relative to the project's folder.
        root: The project's folder.
        where: What refers to the flow, for error messages.

    Raises:
        FlowImportError: Its parameters cannot be expressed as a schema.
    """
    try:
        form = parameter_form(flow.fn)
    except Exception as error:  # anything Pydantic raises
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
    """Return the catalog of a folder, with or without reading flows from source."""
    modules = ProjectModules(root, named_from)
    return FlowCatalog(modules, StaticFacts(modules) if from_source else None)


class ProjectFlows:
    """The flows of a project whose parts have separate modules: a `flows.py` in two folders is two modules.

    Args:
        root: The project's folder.
        from_source: Whether to read flows from source where that is certain; if not, all are imported.
        modules: The modules of the project's own folder, if already created.
    """

    def __init__(self, root: Path, *, from_source: bool, modules: ProjectModules | None = None) -> None:
        self._root = root.resolve()
        self._from_source = from_source
        self._parts: dict[Path, FlowCatalog] = {}
        if modules is not None:
            self._parts[self._root] = FlowCatalog(modules, StaticFacts(modules) if from_source else None)

    def of(self, folder: Path) -> FlowCatalog:
        """Return the catalog of the part in a folder."""
        if folder not in self._parts:
            self._parts[folder] = catalog_of(folder, from_source=self._from_source, named_from=self._root)
        return self._parts[folder]

    def modules_around(self, function: Callable[..., Any], otherwise: ProjectModules) -> ProjectModules:
        """Return the modules that a project's function belongs to, so that it can import them when called."""
        file = Path(function.__code__.co_filename)
        around = [folder for folder in self._parts if file.is_relative_to(folder)]
        return self._parts[max(around, key=lambda one: len(one.parts))].modules if around else otherwise

    def confirm(self, flows: Iterable[FlowFacts]) -> bool:
        """Import flows of which only the source was read; return whether each import agrees with the source."""
        entrypoints: dict[Path, list[str]] = {}
        for one in flows:
            entrypoints.setdefault(Path(one.source), []).append(one.entrypoint)
        return all([self.of(folder).confirm(those) for folder, those in entrypoints.items()])  # noqa: C419 - all are imported


def components_of(flow: object) -> tuple[Component, ...]:
    """Return the components that must exist before a flow can store its results.

    Args:
        flow: A flow. Its ``result_storage`` may be of any class with a ``requires`` attribute, as builders have.
    """
    storage = getattr(flow, "result_storage", None)
    return tuple(component for component in getattr(storage, "requires", ()) if isinstance(component, Component))
