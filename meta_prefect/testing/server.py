"""An in-memory Prefect server, usable by our own client like a real one."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast
from urllib.parse import unquote
from uuid import uuid4

from meta_prefect.errors import RefusedError
from meta_prefect.interfaces.json_diff import Record, is_mapping
from meta_prefect.server.prefect_server import PrefectServer
from meta_prefect.server.requests import Body
from meta_prefect.testing.in_memory import InMemoryHost
from meta_prefect.testing.stored import stored_schedule

__all__ = ["InMemoryServer"]

_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "any_": lambda value, wanted: any(one in wanted for one in _listed(value)),
    "all_": lambda value, wanted: set(wanted) <= set(value),
    "not_any_": lambda value, wanted: value not in wanted,
    "like_": lambda value, wanted: re.fullmatch(re.escape(wanted).replace("%", ".*"), value or "") is not None,
}
_NEW_DEPLOYMENT: Final[Record] = {
    "version": None,
    "description": None,
    "tags": [],
    "parameters": {},
    "paused": False,
    "job_variables": {},
    "labels": {},
    "schedules": [],
    "concurrency_limit": None,
    "concurrency_options": None,
    "global_concurrency_limit": None,
    "work_pool_name": None,
    "work_queue_name": None,
}


class InMemoryServer(PrefectServer):
    """Stores flows, deployments, work pools, artifacts, variables and runs, and responds like a real server.

    The same tests run against it and against a real server. It does not validate requests, and has no workers, blocks or
    automations.

    Args:
        host: The host that runs the deploy.

    Attributes:
        objects: The stored objects, by collection (such as ``deployments``) and id.
        sent: The write requests, in order: method, path and body.
    """

    def __init__(self, host: InMemoryHost | None = None) -> None:
        # No connection: every request is answered from the dictionary.
        self._host = host or InMemoryHost()
        self._flow_ids = {}
        self.unsound: dict[str, str] = {}
        self._marks: dict[str, str | None] = {}
        self.overloads = 0
        self.objects: dict[str, dict[str, Record]] = {}
        self.sent: list[tuple[str, str, Body | None]] = []

    @property
    def url(self) -> str:
        """Empty: there is no URL."""
        return "memory"

    def now(self) -> datetime:
        """Return this host's time."""
        return datetime.now(UTC)

    async def check(self) -> None:
        """Do nothing: it always responds."""

    async def _request(self, method: str, path: str, body: Body | None = None, *, missing_is_none: bool = False) -> Any:
        collection, *place = (unquote(part) for part in path.strip("/").split("/"))
        self.objects.setdefault(collection, {})
        body = copy.deepcopy(body)
        if place == ["filter"]:
            return copy.deepcopy(self._filtered(collection, cast("Record", body)))
        if method != "GET":
            self.sent.append((method, path, copy.deepcopy(body)))
        if method == "POST":
            return copy.deepcopy(self._post(collection, place, body))
        if place[1:2] == ["schedules"]:
            return _change_schedule(self.objects[collection][place[0]], place[2], cast("Record | None", body))
        if (found := self._find(collection, place)) is None:
            if missing_is_none:
                return [] if place[0] == "related-to" else None
            raise RefusedError(f"there is nothing at {path}")
        if method == "PATCH" and collection == "deployments":
            _patch_deployment(found, cast("Record", body))
        elif method == "PATCH":
            found.update(cast("Record", body))
        elif method == "DELETE":
            del self.objects[collection][found["id"]]
        return copy.deepcopy(found)

    def _post(self, collection: str, place: list[str], body: Any) -> Any:
        objects = self.objects[collection]
        match collection, place:
            case "deployments", []:
                return self._deploy(body)
            case "deployments", [deployment, "schedules"]:
                objects[deployment]["schedules"] += _schedules(body)
            case "flow_runs", [run, "set_state"]:
                objects[run]["state"] = body["state"]
            case _:
                return self._add(objects, body)
        return None

    def _find(self, collection: str, place: list[str]) -> Record | None:
        objects = self.objects[collection]
        match collection, place:
            case "deployments", ["name", flow, name]:
                flows = {one["id"]: one["name"] for one in self.objects.get("flows", {}).values()}
                matching = (one for one in objects.values() if (flows[one["flow_id"]], one["name"]) == (flow, name))
            case ("work_pools", [name]) | (_, ["name", name]):
                matching = (one for one in objects.values() if one["name"] == name)
            case _, [object_id]:
                return objects.get(object_id)
            case _:
                return None
        return next(matching, None)

    def _add(self, objects: dict[str, Record], body: Record) -> Record:
        """Store an object; if the name exists, return the existing one, as Prefect does for flows."""
        known = (one for one in objects.values() if "name" in body and one.get("name") == body["name"])
        if (found := next(known, None)) is None:
            found = {"id": str(uuid4()), "created": self.now().isoformat(), **body}
            objects[found["id"]] = found
        return found

    def _deploy(self, body: Record) -> Record:
        """Create a deployment, or update the one of the same flow and name and recreate its schedules."""
        deployments = self.objects["deployments"]
        same = [one for one in deployments.values() if (one["flow_id"], one["name"]) == (body["flow_id"], body["name"])]
        new = {"id": str(uuid4()), "created": self.now().isoformat(), **copy.deepcopy(_NEW_DEPLOYMENT)}
        found = same[0] if same else new
        found["schedules"] = []
        _patch_deployment(found, body)
        if found["work_pool_name"] is not None and found["work_queue_name"] is None:
            found["work_queue_name"] = "default"
        deployments[found["id"]] = found
        return found

    def _filtered(self, collection: str, condition: Record) -> list[Record]:
        found = [one for one in self.objects[collection].values() if self._matches(collection, one, condition)]
        sort = condition.get("sort", "")
        if sort.startswith("NAME"):
            found.sort(key=lambda one: one["name"])
        elif sort.startswith("CREATED"):
            found.reverse()
        start = condition.get("offset", 0)
        return found[start : start + condition.get("limit", 200)]

    def _matches(self, collection: str, one: Record, condition: Record) -> bool:
        if not _holds(one, condition.get(collection, {})):
            return False
        if collection == "flows" and (related := condition.keys() & {"deployments", "flow_runs"}):
            of_flow = [
                other
                for kind in related
                for other in self.objects.get(kind, {}).values()
                if other["flow_id"] == one["id"] and _holds(other, condition[kind])
            ]
            return bool(of_flow)
        return True


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _holds(one: Record, conditions: Mapping[str, Any]) -> bool:
    """Return whether an object matches a filter."""
    for field, operators in conditions.items():
        value: Any = one.get(field)
        if field == "state":
            return value is not None and _holds(value, operators)
        if not all(_OPERATORS[name](value, wanted) for name, wanted in operators.items()):
            return False
    return True


def _patch_deployment(found: Record, body: Record) -> None:
    for key, value in body.items():
        match key:
            case "schedules":
                _patch_schedules(found["schedules"], value)
            case "concurrency_limit":
                found["global_concurrency_limit"] = {"limit": value} if value else None
            case _:
                found[key] = value


def _patch_schedules(stored: list[Record], bodies: Iterable[Record]) -> None:
    """Match schedules by slug: existing ones are changed or renamed, others are created, unmentioned ones are kept."""
    for body in bodies:
        slug = body.get("slug")
        replaced = body.pop("replaces", slug)
        known = next((one for one in stored if slug is not None and one["slug"] == replaced), None)
        if known is None:
            stored += _schedules([body])
        else:
            known.update({**_as_stored(body), "id": known["id"]})


def _change_schedule(deployment: Record, schedule_id: str, body: Record | None) -> None:
    if body is None:
        deployment["schedules"] = [one for one in deployment["schedules"] if one["id"] != schedule_id]
        return
    for one in deployment["schedules"]:
        if one["id"] == schedule_id:
            one.update(_as_stored(body))


def _schedules(bodies: Iterable[Record]) -> list[Record]:
    return [{"slug": None, "active": True, **_as_stored(body), "id": str(uuid4())} for body in bodies]


def _as_stored(body: Record) -> Record:
    return {**body, "schedule": stored_schedule(body["schedule"])} if is_mapping(body.get("schedule")) else body
