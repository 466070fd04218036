"""The client for the Prefect API of a deploy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from meta_prefect.interfaces.api import Host
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.applied import kept_form, mark_of
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.ledger import LedgerEntry
from meta_prefect.plan.mark import with_mark
from meta_prefect.plan.schedule_identity import slug_of
from meta_prefect.plan.schedule_writes import ScheduleWrites, schedule_body, schedule_writes
from meta_prefect.private_logs import keep_logs_private
from meta_prefect.redaction import remember, without_userinfo
from meta_prefect.server.clock import ServerClock
from meta_prefect.server.connection import Connection
from meta_prefect.server.csrf import CsrfToken
from meta_prefect.server.pacing import Pace
from meta_prefect.server.reading import PrefectReads
from meta_prefect.server.requests import leave_waiting_to_us
from meta_prefect.server.silence import STUCK_SECONDS, track_silence

if TYPE_CHECKING:
    import httpx
    from prefect.client.orchestration import PrefectClient

_FORM: Final = "parameter_openapi_schema"

_connection: ContextVar[Connection | None] = ContextVar("connection", default=None)
"""The connection open in this context."""


class PrefectServer(PrefectReads):
    """The Prefect API of a deploy; see :class:`~meta_prefect.interfaces.api.Api`.

    Args:
        connection: An open connection to it.
        host: The processes of this host, for components such as workers.
    """

    is_empty = False

    def __init__(self, connection: Connection, host: Host) -> None:
        super().__init__(connection, host)
        self._flow_ids = connection.flow_ids
        self.unsound: dict[str, str] = {}
        self._marks: dict[str, str | None] = {}

    def mark(self, entries: Iterable[LedgerEntry]) -> None:
        """Add the marks of these ledger entries to their deployments, from the next write on."""
        self._marks |= {one.deployment: mark_of(kept_form(one)) if one.is_managed else None for one in entries}

    async def flow_id(self, name: str) -> str:
        """Return the id of a flow, registering it if necessary."""
        if name not in self._flow_ids:
            answer: Record = await self.post("/flows/", {"name": name})
            self._flow_ids[name] = answer["id"]
        return self._flow_ids[name]

    async def create_deployment(self, flow_name: str, name: str, record: Record) -> str:
        """Create a deployment from its complete record; return its id."""
        body = {**_request_body(record), "name": name, "flow_id": await self.flow_id(flow_name)}
        mark = self._marks.get(f"{flow_name}/{name}")
        body[_FORM] = with_mark(record.get(_FORM) or {}, mark)
        if "schedules" in record:
            body["schedules"] = [schedule_body(slug_of(key), item) for key, item in record["schedules"].items()]
        answer: Record = await self.post("/deployments/", body)
        return answer["id"]

    async def update_deployment(
        self, live: LiveDeployment, changed: Record, renamed: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Send the differing fields and delete schedules that are no longer needed.

        Args:
            live: The deployment as read.
            changed: Complete values of the differing fields.
            renamed: The keys of live schedules that get a new slug, by that slug.
        """
        body = _request_body(changed, live.record)
        if body.keys() & {"job_variables", "work_pool_name", "work_queue_name"}:
            # The server checks job variables only if the pool is sent with them; a pool without a queue means the pool's
            # default queue, and a queue without a pool means one outside any pool.
            body.setdefault("work_pool_name", live.record["work_pool_name"])
            if body["work_pool_name"] == live.record["work_pool_name"]:
                body.setdefault("work_queue_name", live.record["work_queue_name"])
        schedules = changed.get("schedules")
        writes = ScheduleWrites() if schedules is None else schedule_writes(live, schedules, renamed)
        await self._write_schedules(live, writes)
        if writes.together:
            body["schedules"] = writes.together
        mark = self._marks.get(live.full_name, live.mark)
        # also if only schedules are written, one by one: the deployment must confirm its ledger entry
        if _FORM in body or mark != live.mark:
            body[_FORM] = with_mark(changed.get(_FORM, live.record[_FORM]), mark)
        if body:
            await self.patch(f"/deployments/{live.id}", body)
        for schedule_id in writes.deleted:
            await self.delete(f"/deployments/{live.id}/schedules/{schedule_id}")

    async def _write_schedules(self, live: LiveDeployment, writes: ScheduleWrites) -> None:
        """Write changes that cannot be sent with the deployment's own fields."""
        of_schedules = f"/deployments/{live.id}/schedules"
        for schedule_id, part in writes.patched.items():
            await self.patch(f"{of_schedules}/{schedule_id}", part)
        if writes.created:
            await self.post(of_schedules, writes.created)
        for schedule_id in writes.replaced:
            await self.delete(f"{of_schedules}/{schedule_id}")

    async def delete_deployment(self, live: LiveDeployment) -> None:
        """Delete a deployment."""
        await self.delete(f"/deployments/{quote(live.id)}")

    async def create_artifact(self, artifact: Record) -> str:
        """Store an artifact of the current flow run; return its id."""
        from prefect.runtime import flow_run

        answer: Record = await self.post("/artifacts/", {"flow_run_id": flow_run.get_id(), **artifact})
        return answer["id"]


@asynccontextmanager
async def connect(host: Host) -> AsyncGenerator[PrefectServer]:
    """Connect to the Prefect API from the settings. Within a deploy, its open client is reused.

    Prefect's engine uses the same client for flows started within.
    """
    from prefect.settings import PREFECT_API_URL, get_current_settings

    keep_logs_private()
    api = get_current_settings().api
    for opens in (api.key, api.auth_string):
        if opens is not None:
            # In "user:password", the password alone is a secret too.
            remember(opens.get_secret_value(), opens.get_secret_value().partition(":")[2])
    # A thread inherits the context of the code that started it, but has its own event loop, which that client does not serve.
    loop, url = asyncio.get_running_loop(), PREFECT_API_URL.value()
    connection = _connection.get()
    if connection is not None and (connection.loop, connection.url) == (loop, url):
        yield PrefectServer(connection, host)
        return
    clock, silence = ServerClock(), track_silence(str(url))
    pace = Pace(silence)
    async with _guarded_client([pace.hold_back], [clock.look_at, silence.look_at, pace.look_at]) as client:
        connection = Connection(loop, url, client, clock, silence)
        token = _connection.set(connection)
        try:
            yield PrefectServer(connection, host)
        finally:
            _connection.reset(token)
            silence.end()


@asynccontextmanager
async def _guarded_client(
    requests: Sequence[Callable[[httpx.Request], Awaitable[None]]],
    answers: Sequence[Callable[[httpx.Response], Awaitable[None]]],
) -> AsyncGenerator[PrefectClient]:
    """Open the client shared with Prefect's engine.

    Args:
        requests: Hooks called with each request before it is sent.
        answers: Hooks called with each response.
    """
    import httpx
    from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_CSRF_SUPPORT_ENABLED

    from meta_prefect.prefect_internals.clients import is_cloud, shared_client

    csrf = CsrfToken()
    hooks = {"request": [*requests, csrf.attach_token], "response": [*answers, csrf.look_at, leave_waiting_to_us]}
    usual: float = PREFECT_API_REQUEST_TIMEOUT.value()
    # If a server hangs, we track for how long and eventually give up.
    timeout = httpx.Timeout(usual, read=max(usual, STUCK_SECONDS + usual), pool=max(usual, STUCK_SECONDS + usual))

    async with shared_client(hooks, timeout) as client:
        if not is_cloud(client) and PREFECT_CLIENT_CSRF_SUPPORT_ENABLED.value():
            csrf.fetch_with(client)
        yield client


def server_time() -> datetime:
    """Return the time of the server connected in this context, or of this host if there is none."""
    connection = _connection.get()
    return datetime.now(UTC) if connection is None else connection.clock.now()


def ui_url(kind: str, object_id: str) -> str | None:
    """Return the URL of an object's page in the Prefect UI, without a password; None if there is no UI."""
    from meta_prefect.prefect_internals.utilities import url_for

    url = url_for(cast("Any", kind), obj_id=object_id)
    return url and without_userinfo(url)


def _request_body(record: Record, live: Record | None = None) -> Record:
    """Convert a record's fields to the API's form, except for schedules, which are written separately."""
    apart = ("schedules", "collision_strategy", "grace_period_seconds")
    body = {key: value for key, value in record.items() if key not in apart}
    if record.keys() & {"collision_strategy", "grace_period_seconds"}:
        # The API accepts both in one object, and resets the one that is not sent.
        options = {
            key: record.get(key, (live or {}).get(key)) for key in ("collision_strategy", "grace_period_seconds")
        }
        strategy = options["collision_strategy"]
        sent = {key: value for key, value in options.items() if value is not None}
        body["concurrency_options"] = sent if strategy else None
    return body
