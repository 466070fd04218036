"""The base class of objects that belong to the project that created them, so that no other project changes them."""

from __future__ import annotations

import hashlib
from typing import Final, Self
from urllib.parse import quote

from pydantic import Field

from meta_prefect.errors import ConflictError
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components.component import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import Record, is_mapping
from meta_prefect.interfaces.names import artifact_key
from meta_prefect.interfaces.tags import Names, owner, owner_tags

_MAX_READABLE_LENGTH: Final = 150
"""Length of the readable part of a mark's name; Prefect allows 255 characters in total."""

OWNED_BY: Final = "owned_by"
"""The key in a record, and the field in a plan, that names the owning project."""


class ProjectOwned(Component):
    """An object on the server that belongs to the project that created it.

    Objects that cannot carry tags are marked by a separate Prefect variable holding the object's id, so an object that
    someone deleted and recreated counts as theirs.


    Attributes:
        projects: The names of the requiring project, from the deployment; if empty, ownership is not checked.
        adopt: Whether to take over an object that nobody manages, from the deployment.
    """

    projects: Names = Field(default=(), exclude=True)
    adopt: bool = Field(default=False, exclude=True)

    def __hash__(self) -> int:
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        """Compare without the owner, which is not a setting: a component required by another component does not know it."""
        return isinstance(other, type(self)) and self.model_dump() == other.model_dump()

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Fill in the project from the deployment."""
        del host
        return self.model_copy(update={"projects": deployment.context.names, "adopt": deployment.context.adopt})

    def check_owner(self, whose: str | None) -> None:
        """Check that this project may change the object.

        Args:
            whose: The owning project; None if there is none.

        Raises:
            ConflictError: It belongs to another project, or to none and is not to be adopted.
        """
        if not self.projects or whose in self.projects or (whose is None and self.adopt):
            return
        if whose is not None:
            raise ConflictError(f"the project {whose!r} owns it", where=str(self), hint="Take another name.")
        hint = "Take it over with --adopt, or take another name."
        raise ConflictError("it is there, and nobody manages it", where=str(self), hint=hint)

    def as_owned(self) -> Record:
        """Return the ownership fields of a record once this project owns the object."""
        return {OWNED_BY: self.projects[0]} if self.projects else {}

    async def marked_owner(self, object_id: str, api: Api) -> str | None:
        """Return the project that marked an object as its own; None if there is no mark."""
        found: Record | None = await api.get(f"/variables/name/{quote(self._mark)}")
        value: object = found and found["value"]
        if found is None or not is_mapping(value) or value.get("id") != object_id:
            return None
        return owner(found.get("tags") or ())

    async def mark_as_ours(self, object_id: str, api: Api) -> None:
        """Mark an object as owned by this project, if there is a project."""
        if not self.projects:
            return
        body: Record = {"value": {"id": object_id, "of": str(self)}, "tags": owner_tags(self.projects[:1])}
        path = f"/variables/name/{quote(self._mark)}"
        if await api.get(path) is None:
            await api.post("/variables/", {"name": self._mark, **body})
        else:
            await api.patch(path, body)

    @property
    def _mark(self) -> str:
        """The name of the variable; a digest distinguishes names that differ only in case or punctuation."""
        digest = hashlib.sha256(str(self).encode()).hexdigest()[:8]
        return f"meta-prefect-owner-{artifact_key(str(self))[:_MAX_READABLE_LENGTH]}-{digest}"
