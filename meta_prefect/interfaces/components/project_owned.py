"""What belongs to the project that made it, so that no other one's deploy changes it."""

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

_LONGEST: Final = 150
"""Characters of a name that say in the UI what a mark is for; Prefect takes up to 255."""

OWNED_BY: Final = "owned_by"
"""The key of a record, and the place in a plan, that names the project."""


class ProjectOwned(Component):
    """Something on the server that belongs to the project that made it.

    What can carry no tag is marked by a variable of Prefect beside it: that holds the object's id, so that what somebody
    deletes and makes anew is theirs.

    Attributes:
        projects: The names of the project that needs it, taken from the deployment; without any, nobody's is asked for.
        adopt: Whether one that nobody manages is taken over, taken from the deployment.
    """

    projects: Names = Field(default=(), exclude=True)
    adopt: bool = Field(default=False, exclude=True)

    def __hash__(self) -> int:
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        """Whose it is, is no setting: one that another component asks for does not know that."""
        return isinstance(other, type(self)) and self.model_dump() == other.model_dump()

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Take the project from the deployment."""
        del host
        return self.model_copy(update={"projects": deployment.context.names, "adopt": deployment.context.adopt})

    def check_owner(self, whose: str | None) -> None:
        """See that this project may change it.

        Args:
            whose: The project that it belongs to; None for nobody's.

        Raises:
            ConflictError: It is another project's; or nobody's, and is not to be adopted.
        """
        if not self.projects or whose in self.projects or (whose is None and self.adopt):
            return
        if whose is not None:
            raise ConflictError(f"the project {whose!r} owns it", where=str(self), hint="Take another name.")
        hint = "Take it over with --adopt, or take another name."
        raise ConflictError("it is there, and nobody manages it", where=str(self), hint=hint)

    def as_owned(self) -> Record:
        """What a record has of this project once it owns the object."""
        return {OWNED_BY: self.projects[0]} if self.projects else {}

    async def marked_owner(self, object_id: str, api: Api) -> str | None:
        """The project that has marked an object as its own; None where none has."""
        found: Record | None = await api.get(f"/variables/name/{quote(self._mark)}")
        value: object = found and found["value"]
        if found is None or not is_mapping(value) or value.get("id") != object_id:
            return None
        return owner(found.get("tags") or ())

    async def mark_as_ours(self, object_id: str, api: Api) -> None:
        """Mark an object as the project's own, where there is one."""
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
        """The name of the variable; a digest tells apart what is written alike without capitals and punctuation."""
        digest = hashlib.sha256(str(self).encode()).hexdigest()[:8]
        return f"meta-prefect-owner-{artifact_key(str(self))[:_LONGEST]}-{digest}"
