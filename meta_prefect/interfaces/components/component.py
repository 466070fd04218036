"""What every kind of component can do."""

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
    """For whom things were made that are looked for.

    Attributes:
        names: The names of a project.
        environment: The environment.
        pools: The work pools in which its deployments are, or will be.
    """

    names: Names
    environment: str
    pools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Owned:
    """Something on the server that a deploy has made for deployments, and carries a mark that says so.

    Attributes:
        by: The class of components that it is one of, which can remove it.
        key: Kind and name, as those of a component.
        id: Its id on the server.
        users: The deployments that it is there for, each by its id or as ``flow/deployment``; none where nobody uses it.
        record: How it is.
    """

    by: type[Component]
    key: ComponentKey
    id: str
    users: frozenset[str]
    record: Record


class Component(BaseModel, ABC):
    """Something that must exist on the server, or run, before a deployment can be used.

    Attributes:
        kind: What it is, in Prefect's words; also shown in plans and run names.
        verbs: What a report says of one that was not there, and of one that was.
        after_deployments: Whether it is written after the deployments, because it refers to them.
        name: Its name, unique within the kind. It may be left empty where :meth:`completed` can fill it.
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
        """What makes two descriptions mean the same component."""
        return (self.kind, self.name)

    def __hash__(self) -> int:
        # Each class below repeats this, as type checkers take a pydantic model for one that cannot be hashed.
        return hash(self.key)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def requires(self) -> Iterable[Component]:
        """Components that must be written before this one."""
        return ()

    @property
    def runs(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """The deployments that it runs, each as ``flow/deployment`` with the parameters that it gives."""
        return ()

    @property
    def job_variables(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Job variables that it gives to runs, in which references may stand, each with the words that say whose they are."""
        return ()

    @property
    def blocks(self) -> Iterable[tuple[str, str]]:
        """The saved blocks that are there once this is written: pairs of block type and name."""
        return ()

    @property
    def variables(self) -> Iterable[str]:
        """The Prefect variables that are there once this is written, by name."""
        return ()

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Return this component with what was left open taken from the deployment that needs it, or from this host."""
        del deployment, host
        return self

    @abstractmethod
    async def read(self, api: Api) -> Record | None:
        """Read how it is now; None where it is not there."""

    @abstractmethod
    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Say what has to change. Pure.

        Raises:
            ConflictError: What is there cannot, or must not, be made into what is wanted.
        """

    @abstractmethod
    async def write(self, api: Api, live: Record | None) -> None:
        """Make it as described. ``live`` is what :meth:`read` returned."""

    async def wait_until_ready(self, api: Api) -> None:
        """Wait until it does its work; runs beside the writing of deployments."""
        del api

    def remarks(self, live: Record | None) -> Iterable[str]:
        """What users should know, beyond the changes."""
        del live
        return ()

    def cannot_run(self, live: Record | None) -> str | None:
        """Why runs of the deployments that need it would not start, though it is as wanted; None where they would."""
        del live
        return None

    def claims(self, live: Record | None) -> Iterable[str]:
        """The ids of what on the server this component is, as :meth:`read` found it."""
        return () if live is None or "id" not in live else (live["id"],)

    @classmethod
    async def owned(cls, owner: Owner, api: Api) -> Iterable[Owned]:
        """Find what of this kind deploys have made for somebody, and may be removed once no deployment wants it any more.

        Nothing is found of a kind whose objects can carry no mark, or that others may go on using.
        """
        del owner, api
        return ()

    @classmethod
    async def remove(cls, owned: Owned, api: Api) -> bool:
        """Remove what no deployment wants any more; returns whether that could be done, as somebody may use it by now."""
        raise NotImplementedError(f"{cls.__name__} finds what it owns, and has no way to remove it")
