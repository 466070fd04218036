"""Stores when previews expire, and finds expired ones."""

from __future__ import annotations

from datetime import timedelta

from pydantic import ValidationError

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.tags import Names
from meta_prefect.plan.previews import PREVIEW_TAG, Preview
from meta_prefect.plan.soundness import unsound_variable, why_unsound
from meta_prefect.server import PrefectServer
from meta_prefect.state.variables import find_or_create


async def keep_preview(project: str, environment: str, length: timedelta, server: PrefectServer) -> Preview:
    """Record when a preview expires, before anything else of it is written; extends an existing one."""
    now = server.now()
    preview = Preview(project=project, environment=environment, since=now, expires=now + length)
    body: Record = {"name": preview.variable, "value": preview.model_dump(mode="json"), "tags": [PREVIEW_TAG]}
    found = await find_or_create(body, server)
    if found is not None:
        if (known := _read(found)) is not None:
            preview = preview.model_copy(update={"since": known.since})
        again = {"value": preview.model_dump(mode="json"), "tags": [PREVIEW_TAG]}
        await server.patch(f"/variables/{found['id']}", again)
    return preview


async def read_previews(names: Names, server: PrefectServer) -> list[Preview]:
    """Return the previews of a project by name. Invalid records are reported in the server's ``unsound``."""
    found: list[Preview] = []
    async for variable in server.pages("/variables/filter", {"variables": {"tags": {"all_": [PREVIEW_TAG]}}}):
        try:
            preview = Preview.model_validate(variable.get("value"))
        except ValidationError as error:
            why = why_unsound(error)
            server.unsound[variable["id"]] = unsound_variable("record of a preview", variable, why)
            continue
        if preview.project in names and preview.variable == variable["name"]:
            found.append(preview)
    return sorted(found, key=lambda one: one.environment)


async def forget_preview(preview: Preview, server: PrefectServer) -> None:
    """Delete the record of a preview once nothing else of it is left."""
    if (found := await server.get(f"/variables/name/{preview.variable}")) is not None:
        await server.delete(f"/variables/{found['id']}")


def _read(variable: Record) -> Preview | None:
    try:
        return Preview.model_validate(variable.get("value"))
    except ValidationError:
        return None
