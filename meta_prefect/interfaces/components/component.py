"""The base class of all components."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, field_validator

from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import FieldChange, Record
from meta_prefect.interfaces.names import check_name
from meta_prefect.interfaces.tags import Names

ComponentKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Owner:
    """Identifies the project and environment whose objects are being searched for.

    Attributes:
        names: The names of the project.
        environment: The environment.
        pools: The work pools that its deployments use or will use.
    """

    names: Names
    environment: str
    pools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Owned:
    """An object on the server that a deploy created for deployments, and that is marked as such.

    Attributes:
        by: The component class it belongs to, which can remove it.
        key: Its kind and name, as for a component.
        id: Its id on the server.
        users: The deployments that use it, each by id or as ``flow/deployment``; empty if none does.
        record: Its current state.
    """

    by: type[Component]
    key: ComponentKey
    id: str
    users: frozenset[str]
    record: Record


class Component(BaseModel, ABC):
    """Something that must exist on the server, or be running, before a deployment can be used.

    Attributes:
        kind: What it is, in Prefect's terms; shown in plans and run names.
        verbs: The report's words for creating and for updating it.
        after_deployments: Whether it is written after the deployments, because it refers to them.
        name: Its name, unique within the kind. May be empty if :meth:`completed` can fill it in.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    verbs: ClassVar[tuple[str, str]] = ("created", "updated")
    after_deployments: ClassVar[bool] = False

    name: str = ""

    @field_validator("name")
    @classmethod
    def _prefect_accepts(cls, name: str) -> str:
        return check_name(name)

    @property
    def key(self) -> ComponentKey:
        """Identifies the component: two descriptions with the same key are the same component."""
        return (self.kind, self.name)

    def __hash__(self) -> int:
        # Each subclass repeats this, because type checkers consider pydantic models unhashable.
        return hash(self.key)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def requires(self) -> Iterable[Component]:
        """Components that must be written before this one."""
        return ()

    @property
    def runs(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """The deployments it runs, each as ``flow/deployment`` with the parameters it passes."""
        return ()

    @property
    def job_variables(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Job variables it sets on runs, which may contain references, each with a description of where they come from."""
        return ()

    @property
    def blocks(self) -> Iterable[tuple[str, str]]:
        """The saved blocks that exist once this is written: pairs of block type and name."""
        return ()

    @property
    def variables(self) -> Iterable[str]:
        """The Prefect variables that exist once this is written, by name."""
        return ()

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Return this component with missing values filled in from the deployment that requires it, or from this host."""
        del deployment, host
        return self

    @abstractmethod
    async def read(self, api: Api) -> Record | None:
        """Read its current state; None if it does not exist."""

    @abstractmethod
    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Yield the required changes. Pure.

        Raises:
            ConflictError: The existing object cannot, or must not, be changed to the desired state.
        """

    @abstractmethod
    async def write(self, api: Api, live: Record | None) -> None:
        """Bring it to the desired state. ``live`` is what :meth:`read` returned."""

    async def wait_until_ready(self, api: Api) -> None:
        """Wait until it is operational; runs concurrently with writing the deployments."""
        del api

    def remarks(self, live: Record | None) -> Iterable[str]:
        """Yield notes for the user, beyond the changes."""
        del live
        return ()

    def cannot_run(self, live: Record | None) -> str | None:
        """Return why runs of dependent deployments would not start even though it is up to date; None if they would."""
        del live
        return None

    def claims(self, live: Record | None) -> Iterable[str]:
        """Yield the ids of the server objects that this component manages, as :meth:`read` found it."""
        return () if live is None or "id" not in live else (live["id"],)

    @classmethod
    async def owned(cls, owner: Owner, api: Api) -> Iterable[Owned]:
        """Find objects of this kind that deploys created for an owner and that can be removed when no longer needed.

        Kinds whose objects cannot be marked, or that others may keep using, yield nothing.
        """
        del owner, api
        return ()

    @classmethod
    async def remove(cls, owned: Owned, api: Api) -> bool:
        """Remove an object that no deployment needs; return False if that is not possible, because it is in use by now."""
        raise NotImplementedError(f"{cls.__name__} finds what it owns, and has no way to remove it")
