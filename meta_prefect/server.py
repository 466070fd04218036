"""The only module that talks to the Prefect API.

One client for a whole run, reads in batches, and retries of our own: SQLite makes a server answer 503 for some milliseconds
while another write commits, for which Prefect's client would sleep two seconds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote

import httpx
import tenacity

from meta_prefect.errors import (
    ConfigurationError,
    NoApiConfiguredError,
    OverloadedError,
    RefusedError,
    TemporaryServerError,
    UnreachableError,
)
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.records import Record
from meta_prefect.plan.ledger import ARTIFACT_TYPE, Ledger, key_prefix, page_of
from meta_prefect.plan.records import LiveDeployment, live_deployment

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

PAGE = 200
"""The most objects that the API returns at once."""

_TEMPORARY = {408, 429, 502, 503, 504}
_PATIENCE_SECONDS = 30


class Reader(Api, Protocol):
    """What a plan is made from."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read from, so that nothing can be said to be missing."""
        ...

    async def read_deployments(self, names: Iterable[tuple[str, str]]) -> dict[str, LiveDeployment]:
        """Read many deployments at once: those that exist, by ``flow/deployment``."""
        ...


class NoServer:
    """Stands for a server that holds nothing yet: what is planned without any is planned from scratch.

    Args:
        host: The processes of this host.
    """

    is_empty = True

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def host(self) -> Host:
        """The processes of this host."""
        return self._host

    async def get(self, path: str) -> Any:
        """Find nothing."""
        del path

    async def post(self, path: str, body: Record | None = None) -> Any:
        """Find nothing by a filter; anything else is a write."""
        if path.endswith("/filter"):
            return []
        raise self._nowhere("POST", path, body)

    async def patch(self, path: str, body: Record) -> Any:
        """Refuse to write."""
        raise self._nowhere("PATCH", path, body)

    async def put(self, path: str, body: Record) -> Any:
        """Refuse to write."""
        raise self._nowhere("PUT", path, body)

    async def delete(self, path: str) -> None:
        """Refuse to write."""
        raise self._nowhere("DELETE", path, None)

    async def base_job_template(self, worker_type: str) -> Record:
        """Prefect's own job template for a type of worker."""
        return await _base_job_template(worker_type)

    async def read_deployments(self, names: Iterable[tuple[str, str]]) -> dict[str, LiveDeployment]:
        """Find nothing."""
        del names
        return {}

    @staticmethod
    def _nowhere(method: str, path: str, body: Record | None) -> NoApiConfiguredError:
        del body
        return NoApiConfiguredError(f"there is no Prefect API for {method} {path}", hint="Set PREFECT_API_URL.")


class PrefectServer:
    """The Prefect API that a run deploys to; see :class:`~meta_prefect.interfaces.api.Api`.

    Args:
        client: An open Prefect client.
        host: The processes of this host, for components that are processes.
    """

    is_empty = False

    def __init__(self, client: PrefectClient, host: Host) -> None:
        self._client = client
        self._host = host
        self._without_retries = _settings_without_retries()
        self._answered = False
        self._flow_ids: dict[str, str] = {}

    @property
    def host(self) -> Host:
        """The processes of this host."""
        return self._host

    @property
    def url(self) -> str:
        """The address of the API."""
        return str(self._client.api_url).rstrip("/")

    async def check(self) -> None:
        """Find out whether the API answers us, before anything is started that would fail in a less clear way.

        Raises:
            UnreachableError: It does not answer.
            RefusedError: It wants another key, or is no Prefect API.
        """
        await self._request("GET", "/admin/version")

    # --- single requests -----------------------------------------------------------------------------------------------

    async def get(self, path: str) -> Any:
        """Read one object; None where there is none."""
        return await self._request("GET", path, missing_is_none=True)

    async def post(self, path: str, body: Record | None = None) -> Any:
        """Send a POST and return the answer's JSON."""
        return await self._request("POST", path, body if body is not None else {})

    async def patch(self, path: str, body: Record) -> Any:
        """Send a PATCH and return the answer's JSON."""
        return await self._request("PATCH", path, body)

    async def put(self, path: str, body: Record) -> Any:
        """Send a PUT and return the answer's JSON."""
        return await self._request("PUT", path, body)

    async def delete(self, path: str) -> None:
        """Delete an object; one that is gone already is no error."""
        await self._request("DELETE", path, missing_is_none=True)

    async def _request(
        self, method: str, path: str, body: Record | None = None, *, missing_is_none: bool = False
    ) -> Any:
        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(self._may_go_away),
            wait=tenacity.wait_random_exponential(multiplier=0.01, max=2),
            # A single answer that does not come may take longer than our patience; it gets other chances all the same.
            stop=tenacity.stop_all(tenacity.stop_after_delay(_PATIENCE_SECONDS), tenacity.stop_after_attempt(3)),
            reraise=True,
        ):
            with attempt:
                response = await self._send(method, path, body)
                if response.status_code == HTTPStatus.NOT_FOUND and missing_is_none:
                    return None
                self._raise_for_status(response, method, path)
                return response.json() if response.content else None
        raise AssertionError("unreachable: tenacity either returns or raises")  # pragma: no cover

    def _may_go_away(self, error: BaseException) -> bool:
        """Whether to ask again. A server that never answered is more likely a wrong address than a restart."""
        return isinstance(error, TemporaryServerError) and (self._answered or isinstance(error, OverloadedError))

    async def _send(self, method: str, path: str, body: Record | None) -> httpx.Response:
        from prefect.exceptions import PrefectHTTPStatusError

        try:
            with self._without_retries():
                response = await self._client.request(cast("Any", method), cast("Any", path), json=body)
        except PrefectHTTPStatusError as error:
            response = error.response
        except (httpx.TransportError, OSError) as error:
            raise UnreachableError(
                f"the Prefect API at {self.url} does not answer ({type(error).__name__}: {error})",
                hint="Is the server running? `prefect config view` shows which PREFECT_API_URL is in force.",
            ) from error
        self._answered = True
        return response

    def _raise_for_status(self, response: httpx.Response, method: str, path: str) -> None:
        if response.is_success:
            return
        request = f"{method} {path}"
        if response.status_code in _TEMPORARY:
            raise OverloadedError(f"the Prefect API answers {response.status_code} to {request}")
        if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise RefusedError(
                f"the Prefect API at {self.url} refuses {request} ({response.status_code}): {_detail(response)}",
                hint="Check PREFECT_API_KEY (Prefect Cloud) or PREFECT_API_AUTH_STRING (a server of your own).",
            )
        raise RefusedError(f"the Prefect API refused {request} ({response.status_code}): {_detail(response)}")

    # --- batches -------------------------------------------------------------------------------------------------------

    async def read_deployments(self, names: Iterable[tuple[str, str]]) -> dict[str, LiveDeployment]:
        """Read many deployments at once.

        Args:
            names: Pairs of flow and deployment name.

        Returns:
            Those that exist, by ``flow/deployment``.
        """
        wanted = set(names)
        flow_names = await self._read_flow_names({flow for flow, _ in wanted})
        found: dict[str, LiveDeployment] = {}
        for chunk in _chunks(sorted({name for flow, name in wanted if flow in self._flow_ids})):
            condition = {"deployments": {"name": {"any_": chunk}}}
            async for answer in self._pages("/deployments/filter", condition):
                flow_name = flow_names.get(answer["flow_id"])
                if flow_name is not None and (flow_name, answer["name"]) in wanted:
                    live = live_deployment(answer, flow_name)
                    found[live.full_name] = live
        return found

    async def _read_flow_names(self, names: Iterable[str]) -> dict[str, str]:
        """Find the ids of flows; returns names by id."""
        for chunk in _chunks(sorted(set(names) - self._flow_ids.keys())):
            async for flow in self._pages("/flows/filter", {"flows": {"name": {"any_": chunk}}}):
                self._flow_ids[flow["name"]] = flow["id"]
        return {flow_id: name for name, flow_id in self._flow_ids.items()}

    async def _pages(self, path: str, condition: Record, sort: str = "NAME_ASC") -> AsyncGenerator[Record]:
        offset = 0
        while True:
            page: list[Record] = await self.post(path, {**condition, "limit": PAGE, "offset": offset, "sort": sort})
            for item in page:
                yield item
            if len(page) < PAGE:
                return
            offset += PAGE

    async def flow_id(self, name: str) -> str:
        """The id of a flow, which is registered where it is not known yet."""
        if name not in self._flow_ids:
            answer: Record = await self.post("/flows/", {"name": name})
            self._flow_ids[name] = answer["id"]
        return self._flow_ids[name]

    async def base_job_template(self, worker_type: str) -> Record:
        """Prefect's own job template for a type of worker."""
        return await _base_job_template(worker_type)

    # --- deployments ---------------------------------------------------------------------------------------------------

    async def create_deployment(self, flow_name: str, name: str, record: Record) -> str:
        """Create a deployment from its whole record; returns its id."""
        body = {**_request_body(record), "name": name, "flow_id": await self.flow_id(flow_name)}
        if "schedules" in record:
            body["schedules"] = [_schedule_body(slug, item) for slug, item in record["schedules"].items()]
        answer: Record = await self.post("/deployments/", body)
        return answer["id"]

    async def update_deployment(self, live: LiveDeployment, changed: Record) -> None:
        """Send the fields that differ, and remove schedules that are no longer wanted.

        Args:
            live: The deployment as it was read.
            changed: Whole values of the fields that differ.
        """
        body = _request_body(changed)
        if "job_variables" in body or "work_pool_name" in body:
            # The server checks job variables only if the pool stands beside them, and a pool without its queue means the
            # pool's default queue.
            body.setdefault("work_pool_name", live.record["work_pool_name"])
            if body["work_pool_name"] == live.record["work_pool_name"]:
                body.setdefault("work_queue_name", live.record["work_queue_name"])
        obsolete: list[str] = []
        if (schedules := changed.get("schedules")) is not None:
            obsolete = [key for key in live.schedule_ids if key not in schedules]
            await self._drop_schedules(live, [key for key in obsolete if key.startswith("id:")])
            if schedules:
                body["schedules"] = [_schedule_body(slug, item) for slug, item in schedules.items()]
        if body:
            await self.patch(f"/deployments/{live.id}", body)
        await self._drop_schedules(live, [key for key in obsolete if not key.startswith("id:")])

    async def _drop_schedules(self, live: LiveDeployment, keys: Sequence[str]) -> None:
        for key in keys:
            await self.delete(f"/deployments/{live.id}/schedules/{live.schedule_ids[key]}")

    async def delete_deployment(self, live: LiveDeployment) -> None:
        """Delete a deployment."""
        await self.delete(f"/deployments/{quote(live.id)}")

    async def create_artifact(self, artifact: Record) -> str:
        """Store an artifact of the flow run that this is part of; returns its id."""
        from prefect.runtime import flow_run

        answer: Record = await self.post("/artifacts/", {"flow_run_id": flow_run.get_id(), **artifact})
        return answer["id"]

    async def read_ledgers(self, project: str, environment: str | None = None) -> AsyncGenerator[Ledger]:
        """Read what the deploys of a project wrote, newest first, page by page; whoever has enough may stop.

        Args:
            project: The project.
            environment: The environment that was deployed to; None means all of them.
        """
        of_ours = {"type": {"any_": [ARTIFACT_TYPE]}, "key": {"like_": f"{key_prefix(project, environment)}%"}}
        async for artifact in self._pages("/artifacts/filter", {"artifacts": of_ours}, "CREATED_DESC"):
            # A key tells less than the page: another project's may begin alike.
            page = page_of(artifact["data"])
            if page is not None and page.project == project and environment in (None, page.environment):
                yield page


@asynccontextmanager
async def connect(host: Host) -> AsyncGenerator[PrefectServer]:
    """Open the Prefect API that the settings name."""
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        yield PrefectServer(client, host)


def ui_url(kind: str, object_id: str) -> str | None:
    """The address of an object's page in the Prefect UI; None where there is no UI."""
    from prefect.utilities.urls import url_for

    return url_for(cast("Any", kind), obj_id=object_id)


async def _base_job_template(worker_type: str) -> Record:
    from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

    template = await get_default_base_job_template_for_infrastructure_type(worker_type)
    if template is None:
        raise ConfigurationError(
            f"Prefect knows no worker of type {worker_type!r}",
            hint="Install the integration that brings it, for example prefect-kubernetes.",
        )
    return template


def _settings_without_retries() -> Any:
    """Make a context manager under which Prefect's client does not retry by itself; entering it costs microseconds."""
    from prefect.context import SettingsContext, get_settings_context
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES

    outer = get_settings_context()
    settings = outer.settings.copy_with_update(updates={PREFECT_CLIENT_MAX_RETRIES: 0})

    @contextmanager
    def without_retries() -> Generator[None]:
        with SettingsContext(profile=outer.profile, settings=settings):
            yield

    return without_retries


def _request_body(record: Record) -> Record:
    """The fields of a record as the API takes them; schedules go their own way."""
    body = {key: value for key, value in record.items() if key not in ("schedules", "collision_strategy")}
    if "collision_strategy" in record:
        strategy = record["collision_strategy"]
        body["concurrency_options"] = {"collision_strategy": strategy} if strategy else None
    return body


def _schedule_body(slug: str, record: Record) -> Record:
    rule = {key: value for key, value in record.items() if key not in ("active", "parameters")}
    body: Record = {"slug": slug, "schedule": rule, "parameters": record["parameters"]}
    if "active" in record:
        body["active"] = record["active"]
    return body


def _detail(response: httpx.Response) -> str:
    try:
        answer = response.json()
    except ValueError:
        return response.text[:500]
    detail: Any = answer.get("detail") or answer.get("exception_detail") or answer
    return detail if isinstance(detail, str) else str(detail)[:1000]


def _chunks(items: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), PAGE):
        yield list(items[start : start + PAGE])
