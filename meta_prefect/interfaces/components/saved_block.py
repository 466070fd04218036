"""Saved blocks, whose secrets come from the deploying host and are stored nowhere else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self, cast
from urllib.parse import quote

from pydantic import AfterValidator, Field, JsonValue, model_validator

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.files import read_regular
from meta_prefect.hidden_values import secrets_in
from meta_prefect.interfaces.api import Api
from meta_prefect.interfaces.components.component import ComponentKey
from meta_prefect.interfaces.components.project_owned import OWNED_BY, ProjectOwned
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences, differences_within, is_mapping
from meta_prefect.redaction import remember
from meta_prefect.texts import check_plain

_VARIABLE: Final = re.compile(r"\$?[A-Z_][A-Z0-9_]*")
_OTHER: Final = "(another)"


def _reference(place: str) -> str:
    """Format the source of a secret for plans and records."""
    if place.startswith("/"):
        return check_plain(place)
    if _VARIABLE.fullmatch(place) is None:
        raise ValueError(
            "name the environment variable that holds it, such as 'DB_PASSWORD', or the file, such as "
            "'/run/secrets/db_password', never the secret itself"
        )
    return f"${place.removeprefix('$')}"


def _held_by(reference: str) -> str | None:
    """Read the secret from its source on the deploying host; None if there is none."""
    if not reference.startswith("/"):
        return os.environ.get(reference.removeprefix("$"))
    try:
        return read_regular(Path(reference)).decode().removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        return None


def _places(value: object, place: str = "") -> Iterator[str]:
    """Yield the paths in a block's values, keys joined by dots, parents before children."""
    if place:
        yield place
    if is_mapping(value):
        for key, inner in value.items():
            yield from _places(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _places(inner, place)  # the form in which Prefect names them


class SavedBlock(ProjectOwned):
    """A saved block of any type known to the server. It belongs to the project that created it; others' are never overwritten.

    Secrets are compared in the deploy's memory; neither a secret nor anything derived from it appears in plans, logs, records
    or pages. The block is kept when no deployment requires it any more, because the server cannot tell who loads it.


    Attributes:
        block_type: The slug of its type, such as ``secret`` or ``slack-webhook``.
        values: Its non-secret values; other fields are left as they are.
        secrets: For each secret field, its source on the deploying host: the name of an environment variable, or the path of
            a file, as Docker and Kubernetes mount secrets.
    """

    kind: ClassVar[str] = "block"

    block_type: str = Field(min_length=1)
    values: dict[str, JsonValue] = Field(default={})
    secrets: dict[str, Annotated[str, AfterValidator(_reference)]] = Field(default={})

    def __hash__(self) -> int:
        return super().__hash__()

    @model_validator(mode="after")
    def _no_secret_is_written(self) -> Self:
        if found := secrets_in(self.values) or (["value"] if self.block_type == "secret" and self.values else []):
            raise ValueError(
                f"{', '.join(found)}: a secret is named, never written down: secrets={{'{found[0]}': 'VARIABLE'}}"
            )
        if both := sorted(self.values.keys() & self.secrets.keys()):
            raise ValueError(f"{both[0]!r} is both a value and a secret")
        return self

    @property
    def key(self) -> ComponentKey:
        """Blocks of different types may have the same name."""
        return (self.kind, f"{self.block_type}/{self.name}")

    def __str__(self) -> str:
        return f"{self.kind} {self.block_type}/{self.name}"

    @property
    def blocks(self) -> Iterable[tuple[str, str]]:
        """The block itself."""
        return ((self.block_type, self.name),)

    def _wanted(self) -> Record:
        secrets = {name: f"(that of {held})" for name, held in self.secrets.items()}
        return {name: said for name, said in (("values", self.values), ("secrets", secrets)) if said}

    def _secrets(self) -> dict[str, str]:
        """The secrets by field; for errors see :meth:`compare`."""
        found = {name: _held_by(held) for name, held in self.secrets.items()}
        for name, held in self.secrets.items():
            if not found[name]:
                is_file = held.startswith("/")
                what = (
                    f"the file {held} cannot be read" if is_file else f"the environment variable {held[1:]} is not set"
                )
                hint = (
                    "Mount it where the deploy runs."
                    if is_file
                    else "Set it where the deploy runs; in CI, from its secrets."
                )
                raise ConfigurationError(f"{name}: {what}", where=str(self), hint=hint)
        return {name: secret for name, secret in found.items() if secret}

    async def read(self, api: Api) -> Record | None:
        """Read the fields that are set; for a secret, only whether it equals the desired one.

        Raises:
            ConfigurationError: The server does not know the type, or a plain value is given for a secret field.
        """
        await self._schema(api)
        path = f"/block_types/slug/{quote(self.block_type)}/block_documents/name/{quote(self.name)}"
        found: Record | None = await api.get(f"{path}?include_secrets={'true' if self.secrets else 'false'}")
        if found is None:
            return None
        data: Record = found["data"]
        live = {name: data[name] for name in self.values if name in data}
        secrets: Record = {}
        for name, held in self.secrets.items():
            remember(*(one for one in (data.get(name), _held_by(held)) if isinstance(one, str)))
            is_same = data.get(name) is not None and data.get(name) == _held_by(held)
            secrets[name] = f"(that of {held})" if is_same else _OTHER
        whose = await self.marked_owner(found["id"], api) if self.projects else None
        return {"id": found["id"], "values": live, "secrets": secrets, OWNED_BY: whose}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare the fields that are set.

        Raises:
            ConfigurationError: An environment variable or file that should hold a secret does not exist here.
            ConflictError: It belongs to another project or to none.
        """
        self._secrets()
        if live is None:
            return differences_within(ABSENT, self._wanted())
        self.check_owner(live[OWNED_BY])
        wanted = {**self._wanted(), **self.as_owned()}
        return differences({name: live[name] for name in wanted}, wanted)

    async def write(self, api: Api, live: Record | None) -> None:
        """Create the block, or update the fields that are set."""
        secrets = self._secrets()
        remember(*secrets.values())
        data: Record = {**self.values, **secrets}
        if live is not None:
            await api.patch(f"/block_documents/{live['id']}", {"data": data, "merge_existing_data": True})
            await self.mark_as_ours(live["id"], api)
            return
        schema = await self._schema(api)
        made = {"name": self.name, "block_type_id": schema["block_type_id"], "block_schema_id": schema["id"]}
        document: Record = await api.post("/block_documents/", {**made, "data": data})
        await self.mark_as_ours(document["id"], api)

    async def _schema(self, api: Api) -> Record:
        """Return the type's latest schema; for errors see :meth:`read`."""
        block_type: Record | None = await api.get(f"/block_types/slug/{quote(self.block_type)}")
        of_type = {"block_type_id": {"any_": [block_type["id"]]}} if block_type else {}
        schemas: list[Record] = (
            await api.post("/block_schemas/filter", {"block_schemas": of_type}) if block_type else []
        )
        if not schemas:
            hint = "Register it: prefect block register --module MODULE."
            raise ConfigurationError(f"there is no block type {self.block_type!r}", where=str(self), hint=hint)
        fields: Mapping[str, Any] = schemas[0]["fields"]
        known = cast("Mapping[str, Any]", fields.get("properties") or {})
        for name in (*self.values, *self.secrets):
            if known and name not in known:
                message = f"{self.block_type!r} has no field {name!r}"
                raise ConfigurationError(message, where=str(self), hint=nearest(name, known))
        known_secrets: list[str] = fields.get("secret_fields") or []
        hidden = [one for one in _places(self.values) if any(fnmatchcase(one, each) for each in known_secrets)]
        if hidden:
            within = "." in hidden[0]
            hint = f"Name the environment variable that holds it: secrets={{'{hidden[0]}': 'VARIABLE'}}."
            hint = "Save that block by hand: a deploy saves secrets that are fields of their own." if within else hint
            raise ConfigurationError(f"{hidden[0]!r} is a secret", where=str(self), hint=hint)
        return schemas[0]
