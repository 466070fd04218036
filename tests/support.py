"""What tests share: the server as anybody can ask it, and waiting for a condition."""

from __future__ import annotations

import cProfile
import os
import shutil
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from threading import get_ident
from types import ModuleType
from typing import Any, TypeVar

import httpx
import pytest

from meta_prefect.plan.mark import without_mark

T = TypeVar("T")

SERVER_SETTINGS = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
}
"""With these a server on SQLite has time for more than recording task runs."""

LOCAL_RUN_STEPS = (
    "name",
    "describe",
    "resolve tags",
    "resolve version",
    "run as a local process",
    "skip holidays",
)
"""What a deploy by ``local_run_deployer`` does before it compares, each over all the deployments."""


class Api:
    """A Prefect API, asked without any client of the project.

    Args:
        url: Its address.
        auth_string: What it asks for, ``user:password``.
    """

    def __init__(self, url: str, auth_string: str | None = None) -> None:
        self.url = url
        self.ui_url = url.removesuffix("/api")
        user, _, password = (auth_string or "").partition(":")
        self._client = httpx.Client(base_url=url, timeout=60, auth=(user, password) if auth_string else None)
        self._csrf: dict[str, str] = {}

    def _send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        # SQLite makes the server answer 503 for some milliseconds while another write commits.
        def served() -> tuple[httpx.Response] | None:
            answer = self._client.request(method, path, json=body, headers=self._csrf)
            if answer.status_code == HTTPStatus.FORBIDDEN and "CSRF token" in answer.text:
                client = uuid.uuid4().hex
                token = self._client.get("/csrf-token", params={"client": client}).raise_for_status().json()["token"]
                self._csrf = {"Prefect-Csrf-Client": client, "Prefect-Csrf-Token": token}
                return None
            return None if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE else (answer,)

        return wait_until(served, what=f"{method} {path} is served", seconds=30)[0]

    def get(self, path: str, /) -> Any:
        """Read one object; None where there is none."""
        answer = self._send("GET", path)
        return None if answer.status_code == 404 else answer.raise_for_status().json()

    def post(self, path: str, /, *items: Any, **body: Any) -> Any:
        """Send a POST of an object, or of a list of items; return its answer."""
        answer = self._send("POST", path, list(items) or body).raise_for_status()
        return answer.json() if answer.content else None

    def patch(self, path: str, /, **body: Any) -> None:
        """Send a PATCH."""
        self._send("PATCH", path, body).raise_for_status()

    def put(self, path: str, /, **body: Any) -> None:
        """Send a PUT."""
        self._send("PUT", path, body).raise_for_status()

    def delete(self, path: str, *, missing_is_fine: bool = False) -> None:
        """Delete an object."""
        answer = self._send("DELETE", path)
        if not (missing_is_fine and answer.status_code == HTTPStatus.NOT_FOUND):
            answer.raise_for_status()

    def deployment(self, full_name: str) -> Any:
        """Read a deployment by ``flow/deployment``; None where there is none."""
        return self.get(f"/deployments/name/{full_name}")

    def deployments_of(self, flow_name: str) -> list[Any]:
        """Read all deployments of a flow."""
        return self.post("/deployments/filter", flows={"name": {"any_": [flow_name]}})


def unmarked(deployment: dict[str, Any]) -> dict[str, Any]:
    """A deployment as the server gives it, without the mark of what was applied last, which is another at each write."""
    return {**deployment, "parameter_openapi_schema": without_mark(deployment["parameter_openapi_schema"])[0]}


def wait_until(found: Callable[[], T | None], *, what: str, seconds: float = 90) -> T:
    """Wait until a function returns something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} seconds"
        time.sleep(0.1)
    return result


def record_sleeps(
    monkeypatch: pytest.MonkeyPatch, library: ModuleType, meanwhile: Callable[[float], object] | None = None
) -> list[float]:
    """List how long this thread sleeps, in seconds, without letting it. Prefect's threads in the background sleep as ever.

    Args:
        monkeypatch: Takes it back at the end of the test.
        library: Whose `sleep` it is: asyncio or anyio.
        meanwhile: What happens instead of each sleep.
    """
    slept: list[float] = []
    really = library.sleep
    here = get_ident()

    async def sleep(seconds: float) -> None:
        if get_ident() != here:
            await really(seconds)
        else:
            slept.append(seconds)
            if meanwhile is not None:
                meanwhile(seconds)

    monkeypatch.setattr(library, "sleep", sleep)
    return slept


def calls_made_by(function: Callable[[], object]) -> int:
    """How many calls a function makes, which tells how much it does, however busy the machine is."""
    profile = cProfile.Profile()
    profile.runcall(function)
    return sum(entry.callcount for entry in profile.getstats())


def run_deployment(server: Api, deployment: Any, /, *, told: str | None = None, **parameters: Any) -> tuple[Any, str]:
    """Run a deployment on its worker; returns the run's final state and its logs, once something, or its end, is told there."""
    made = server.post(f"/deployments/{deployment['id']}/create_flow_run", parameters=parameters)
    path = f"/flow_runs/{made['id']}"
    final = {"COMPLETED", "FAILED", "CRASHED"}
    state = wait_until(lambda: (now := server.get(path)["state"])["type"] in final and now, what="the run ends")
    query = {"logs": {"flow_run_id": {"any_": [made["id"]]}}, "sort": "TIMESTAMP_ASC"}

    def all_logs() -> str:
        found = server.post("/logs/filter", **query)
        # Its tasks say as well that they have finished.
        ended = any("Finished in state" in log["message"] and log["task_run_id"] is None for log in found)
        logs = "\n".join(log["message"] for log in found)
        return logs if (ended if told is None else told in logs) else ""

    return state, wait_until(all_logs, what="the run's logs arrive")


def what_prefect_keeps(home: Path) -> Callable[[str], bool]:
    """Tells whether a text is in the server's database, as its file has it."""
    content = b"".join(file.read_bytes() for file in home.glob("prefect.db*"))
    assert content, "the database has been found"
    return lambda text: text.encode() in content


def as_ordinary_user(*command: str) -> list[str]:
    """A command as somebody runs it who has no more rights than the files' permissions give: root has all of them otherwise."""
    if os.geteuid() != 0:
        return list(command)
    if not (setpriv := shutil.which("setpriv")):
        pytest.skip("root ignores permissions here, and there is no setpriv to do without that")
    return [setpriv, "--inh-caps=-all", "--bounding-set=-all", *command]
