"""The three sources of a new project: its flows, a prefect.yaml, and live deployments."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from meta_prefect.errors import ProjectFileError
from meta_prefect.flows import find_flows
from meta_prefect.flows.catalog import catalog_of
from meta_prefect.init.beginning import Beginning, NewFiles, new_files
from meta_prefect.init.entries import NewEntry, entries_of, needed_entrypoint
from meta_prefect.init.found import Found, Remark
from meta_prefect.init.from_flows import found_flows
from meta_prefect.init.from_server import Patterns, found_on_server
from meta_prefect.init.prefect_yaml import read_prefect_yaml
from meta_prefect.init.proof import OtherRecords, WithBlocksToBe
from meta_prefect.init.secrets import without_secrets
from meta_prefect.init.stored_by_prefect import stored_by_prefect
from meta_prefect.local.host import LocalHost
from meta_prefect.server import NoServer, PrefectServer
from meta_prefect.server.access import query_api
from meta_prefect.settings import read_settings

_LACKING: Final = "nothing is live"
_HINT: Final = "Set PREFECT_API_URL, or choose a profile (`prefect profile use …`)."
_ADVICE: Final = 'Beside `name`, for example: `schedule: {cron: "0 9 * * 1-5", timezone: Europe/Berlin, holidays: DE}`.'


class Origin(Protocol):
    """A source of a new project."""

    adopts: ClassVar[bool]
    """Whether its deployments already exist and are to be taken over."""
    compared_with: ClassVar[str]
    """A description of what it is compared with; empty if there is nothing."""

    def found(self) -> Found:
        """Read the source."""
        ...

    def begun(self, found: Found, name: str) -> tuple[Beginning, NewFiles]:
        """Generate a project's files; return them with their input."""
        ...


@dataclass(frozen=True)
class Flows:
    """The flows in a folder.

    Attributes:
        root: The folder.
        recipe: The recipe to deploy them with.
        variables: Its variables.
        environment: The requested environment.
    """

    root: Path
    recipe: str
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    environment: str | None = None

    adopts: ClassVar[bool] = False
    compared_with: ClassVar[str] = ""

    def found(self) -> Found:
        """List the flows."""
        return found_flows(self.root)

    def begun(self, found: Found, name: str) -> tuple[Beginning, NewFiles]:
        """Create an entry for each.

        Raises:
            ValidationFailed: The recipe's variables are invalid.
        """
        environment = self.environment or read_settings().env
        entries = tuple(
            NewEntry(one.flow_name, self.recipe, {**one.variables, **self.variables}, one.entrypoint)
            for one in found.deployments
        )
        beginning = Beginning(self.root, name, "its flows", entries, (environment,), found.remarks, advice=_ADVICE)
        files = asyncio.run(new_files(beginning, NoServer(LocalHost())))
        return beginning, files


@dataclass(frozen=True)
class Live:
    """The deployments on the configured Prefect API.

    Attributes:
        root: The project's folder, with the code.
        patterns: Selects deployments.
        environment: The environment of deployments that name none.
        with_recipes: Whether shared settings may become recipes in Python.
    """

    root: Path
    patterns: Patterns
    environment: str | None = None
    with_recipes: bool = True

    adopts: ClassVar[bool] = True
    compared_with: ClassVar[str] = "what is live"

    def found(self) -> Found:
        """Read the deployments."""
        flows = catalog_of(self.root, from_source=True)
        return query_api(lambda server: found_on_server(server, self.root, flows, self.patterns), _LACKING, hint=_HINT)

    def begun(self, found: Found, name: str) -> tuple[Beginning, NewFiles]:
        """Create an entry for each and compare it with the live deployment."""
        readable, blocks = without_secrets(found)
        entries, environments = entries_of(readable.deployments, self.environment or read_settings().env)

        async def made(server: PrefectServer) -> tuple[Beginning, NewFiles]:
            source = f"what is live on {server.url}"
            beginning = Beginning(
                self.root, name, source, tuple(entries), environments, readable.remarks, self.with_recipes
            )
            return beginning, await new_files(beginning, WithBlocksToBe(server, blocks))

        return query_api(made, _LACKING, hint=_HINT)


@dataclass(frozen=True)
class PrefectYaml:
    """The deployments in a prefect.yaml.

    Attributes:
        root: The project's folder.
        file: The prefect.yaml.
        environment: The environment of deployments that name none.
        with_recipes: Whether shared settings may become recipes in Python.
    """

    root: Path
    file: Path
    environment: str | None = None
    with_recipes: bool = True

    adopts: ClassVar[bool] = True
    compared_with: ClassVar[str] = "what `prefect deploy` stores"

    def found(self) -> Found:
        """Read the file."""
        found = read_prefect_yaml(self.file)
        flows = find_flows(self.root)
        deployments = (
            replace(one, entrypoint=needed_entrypoint(one.entrypoint, one.flow_name, flows))
            for one in found.deployments
        )
        return replace(found, deployments=tuple(deployments))

    def begun(self, found: Found, name: str) -> tuple[Beginning, NewFiles]:
        """Create an entry for each deployment.

        Raises:
            ProjectFileError: The file has no deployments.
        """
        if not found.deployments:
            raise ProjectFileError(
                "nothing in it can be deployed",
                where=str(self.file),
                hint="\n  ".join(f"{one.place}: {one.key}: {one.text}" for one in found.remarks) or None,
            )
        readable, _ = without_secrets(found)
        entries, environments = entries_of(readable.deployments, self.environment or read_settings().env)
        stored = stored_by_prefect(self.file)
        refused = [Remark(name, "", f"`prefect deploy` refuses it: {why}") for name, why in stored.refused.items()]
        beginning = Beginning(
            self.root,
            name,
            self.file.name,
            tuple(entries),
            environments,
            (*readable.remarks, *refused),
            self.with_recipes,
        )
        reader = OtherRecords(stored.records, NoServer(LocalHost()))
        return beginning, asyncio.run(new_files(beginning, reader))
