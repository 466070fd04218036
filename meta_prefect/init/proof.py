"""Compares a new project file with what exists, field by field, by running a deploy's stages without its writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from meta_prefect.engine.plan_input import read_plan_input
from meta_prefect.engine.project_plan import plan_project
from meta_prefect.errors import ConfigurationError
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange
from meta_prefect.interfaces.tags import environment_tag, owner_tag
from meta_prefect.plan.changes import DEPLOYMENT, Change, Create, Update
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.project import Entry, Project
from meta_prefect.server import NoServer, PrefectServer, Reader

_ENVIRONMENT_VARIABLES = ("META_PREFECT__ENV", "meta_env")


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that would change.

    Attributes:
        subject: What it belongs to: a deployment as ``flow/deployment``, or another object.
        path: The field's path.
        before: The existing value.
        after: The value in the project file.
    """

    subject: str
    path: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Proof:
    """The comparison of a new project file with what exists.

    Attributes:
        compared: The deployments that were compared.
        differences: Their differences, except for the project's mark.
        counted: The deployments whose version counts deploys.
        missing: What the file requires and does not exist.
        of_entries: The errors of each entry of the file.
        errors: Errors about the file as a whole.
    """

    compared: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    counted: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    of_entries: tuple[tuple[ConfigurationError, ...], ...] = ()
    errors: tuple[ConfigurationError, ...] = ()

    @property
    def equal(self) -> tuple[str, ...]:
        """The deployments without differences."""
        differing = {one.subject for one in self.differences}
        return tuple(name for name in self.compared if name not in differing)


class WithBlocksToBe(PrefectServer):
    """The Prefect API as it will be once the requested Secret blocks are saved.

    Args:
        server: The API.
        blocks: Their names.
    """

    def __init__(self, server: PrefectServer, blocks: Iterable[str]) -> None:
        self.__dict__.update(server.__dict__)
        self._to_be = {("secret", name) for name in blocks}

    async def known_blocks(self, types: Iterable[str]) -> set[tuple[str, str]]:
        """Return the existing blocks and those to be saved."""
        return await super().known_blocks(types) | self._to_be


class OtherRecords(NoServer):
    """Another tool's deployments in place of a server's."""

    def __init__(self, records: Mapping[str, LiveDeployment], server: NoServer) -> None:
        super().__init__(server.host)
        self._records = records

    async def read_deployments(self, names: Iterable[tuple[str, str]]) -> dict[str, LiveDeployment]:
        """Return those that would exist."""
        asked = {"/".join(pair) for pair in names}
        return {name: record for name, record in self._records.items() if name in asked}


async def prove(project: Project, environments: Sequence[str], flows: ProjectFlows, reader: Reader) -> Proof:
    """Plan a project and report the differences from what exists.

    Args:
        project: The project.
        environments: The environments of its deployments.
        flows: Its flows.
        reader: Reads what exists.
    """
    asked = DeployOptions(adopt=True, new_environment=True)
    plans = [
        await plan_project(read_plan_input(project, project.root, environment, asked, flows=flows), reader.host, reader)
        for environment in environments
    ]
    errors = [error for plan in plans for error in plan.errors]
    of_entries = [tuple(error for error in errors if _is_about(error, entry)) for entry in project.entries]
    known = {id(error) for of_entry in of_entries for error in of_entry}
    changes = [planned.change for plan in plans for planned in plan.batch.deployments]
    return Proof(
        compared=tuple(change.subject.name for change in changes if not isinstance(change, Create)),
        differences=tuple(one for plan in plans for one in _differences(plan.batch.plan, plan.context)),
        counted=tuple(change.subject.name for change in changes if isinstance(change, Update) and change.counted),
        missing=tuple(change.subject.name for change in changes if isinstance(change, Create)),
        of_entries=tuple(of_entries),
        errors=tuple(error for error in errors if id(error) not in known),
    )


def _is_about(error: ConfigurationError, entry: Entry) -> bool:
    place = entry.where.partition(": ")[2]
    return place in (error.where or "")


def _differences(changes: Iterable[Change], context: DeployContext) -> Iterator[Difference]:
    for change in changes:
        if not isinstance(change, Update):
            continue
        subject = change.subject.name if change.subject.kind == DEPLOYMENT else str(change.subject)
        for field in change.fields:
            if not (is_mark(field, context) or (change.counted and field.path == "version")):
                yield Difference(subject, field.path, field.before, field.after)


def is_mark(field: FieldChange, context: DeployContext) -> bool:
    """Return whether a field differs only in the marks of the project's own deployments: tags, environment, schedule names."""
    before, after = field.before, field.after
    if field.path == "tags" or field.path.endswith(".tags"):
        added = set(after) - set(before)
        ours = {owner_tag(context.project), environment_tag(context.word_for(context.environment))}
        return not set(before) - set(after) and all(tag in ours or tag.startswith("meta-prefect-") for tag in added)
    if field.path.startswith("schedules."):
        return field.path.endswith(".slug") and before is None
    if field.path == "job_variables.env":
        return before in (ABSENT, None, {}) and set(after) == {"META_PREFECT__ENV"}
    return field.path.startswith("job_variables.") and field.path.rpartition(".")[2] in _ENVIRONMENT_VARIABLES
