"""Reads a flow's facts from its source, without importing its module."""

from __future__ import annotations

import ast
import hashlib
import inspect
import logging
import warnings
from pathlib import Path
from typing import Any

from meta_prefect.errors import FlowNotFoundError
from meta_prefect.flows.certainty import CertainFlow, ModuleText, UncertainError
from meta_prefect.flows.entrypoints import parse_entrypoint
from meta_prefect.flows.loader import Place, ProjectModules
from meta_prefect.flows.parameters import parameter_form
from meta_prefect.flows.syntax import parse, read_source
from meta_prefect.interfaces.deployment import FlowFacts

logger: logging.Logger = logging.getLogger(__name__)


class StaticFacts:
    """Reads the facts of a project's flows; each file is parsed once.

    Args:
        modules: The project's modules.
    """

    def __init__(self, modules: ProjectModules) -> None:
        self._modules = modules
        self._texts: dict[Path, ModuleText] = {}

    def of(self, entrypoint: str) -> FlowFacts | None:
        """Return exactly the facts an import would give; None if they are uncertain or the module was already imported."""
        try:
            place = self._modules.place_of(entrypoint)
            if place is None or place.has_been_executed:
                return None
            name = ".".join(parse_entrypoint(entrypoint).attributes)
            return self._evaluated(entrypoint, name, place, self._text(place).flow(name))
        except (FlowNotFoundError, UncertainError, RecursionError) as reason:
            logger.debug("%s is imported: %s", entrypoint, reason)
            return None

    def _text(self, place: Place) -> ModuleText:
        if place.file not in self._texts:
            source = read_source(place.file)
            tree = parse(source) if isinstance(source, bytes) else source
            if isinstance(tree, str):
                raise UncertainError(tree)
            self._texts[place.file] = ModuleText(tree, place.beside)
        return self._texts[place.file]

    def _evaluated(self, entrypoint: str, name: str, place: Place, flow: CertainFlow) -> FlowFacts:
        space: dict[str, Any] = {"__name__": place.name}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # shown when the module is imported
                exec(compile(flow.code, place.file, "exec", dont_inherit=True), space)  # noqa: S102 - see ``certainty``
                options = {key: _value(option, space) for key, option in flow.options.items()}
                function = space[name]
                form = parameter_form(function)
        except Exception as error:
            raise UncertainError(f"{type(error).__name__}: {error}") from error
        given, description, version = (options.get(key) for key in ("name", "description", "version"))
        if not all(isinstance(one, str | None) for one in (given, description, version)):
            raise UncertainError("its name, description or version is no text")
        return FlowFacts(
            name=given or name.replace("_", "-"),
            entrypoint=entrypoint,
            source=str(self._modules.root),
            description=description or inspect.getdoc(function),
            version=version or hashlib.md5(place.file.read_bytes(), usedforsecurity=False).hexdigest(),
            parameter_schema=form,
            module=place.name,
            file=str(place.file),
        )


def _value(expression: ast.expr, space: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(expression), "<decorator>", "eval"), space)  # noqa: S307 - see ``certainty``
