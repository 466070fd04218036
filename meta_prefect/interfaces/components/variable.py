"""Prefect variables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, Final, Self
from urllib.parse import quote

from pydantic import JsonValue, model_validator

from meta_prefect.hidden_values import secrets_in
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components.project_owned import ProjectOwned
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences, differences_within
from meta_prefect.interfaces.tags import owner, owner_tag, owner_tags, with_present_name

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
ENVIRONMENT: Final = "{env}"
"""Placeholder for the environment in a variable's name."""


class Variable(ProjectOwned):
    """A Prefect variable, which flows read at run time and anyone with access to the server can read.

    It belongs to the project, which is recorded in its tags. It is kept when no deployment requires it any more, because the
    server cannot tell who reads it.


    Attributes:
        name: Its name, in which ``{env}`` stands for the environment; without that, it is the same in all environments.
        value: Its value, as JSON; must not be a secret.
        tags: Additional tags; those added by operators are kept.
    """

    kind: ClassVar[str] = "variable"

    value: JsonValue
    tags: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return super().__hash__()

    @model_validator(mode="after")
    def _may_be_read(self) -> Self:
        if secrets_in({self.name: self.value}):
            raise ValueError("it looks like a secret, and anybody may read a variable: save a block, and refer to that")
        if not _NAME.fullmatch(self.name.replace(ENVIRONMENT, "")):
            raise ValueError(f"{self.name!r} is no name of a variable: letters, digits, dashes and underscores only")
        return self

    @property
    def variables(self) -> Iterable[str]:
        """The variable itself."""
        return (self.name,)

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Fill in the project and the environment from the deployment."""
        name = self.name.replace(ENVIRONMENT, deployment.environment_word)
        return super().completed(deployment, host).model_copy(update={"name": name})

    def _wanted(self, live: Record | None) -> Record:
        marks = [owner_tag(name) for name in self.projects[:1]]
        there = with_present_name(live["tags"], self.projects) if live is not None and self.projects else []
        return {"value": self.value, "tags": sorted({*there, *marks, *self.tags})}

    async def read(self, api: Api) -> Record | None:
        """Read the variable."""
        found: Record | None = await api.get(f"/variables/name/{quote(self.name)}")
        return None if found is None else {**found, "tags": sorted(found.get("tags") or [])}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare value and tags.

        Raises:
            ConflictError: It belongs to another project or to none.
        """
        if live is None:
            return differences_within(ABSENT, self._wanted(None))
        if not set(owner_tags(self.projects)) & set(live["tags"]):
            self.check_owner(owner(live["tags"]))
        return differences({"value": live["value"], "tags": live["tags"]}, self._wanted(live))

    async def write(self, api: Api, live: Record | None) -> None:
        """Create it with the owner tag, or send the fields that are set."""
        body = self._wanted(live)
        if live is None:
            await api.post("/variables/", {"name": self.name, **body})
        else:
            await api.patch(f"/variables/name/{quote(self.name)}", body)
