"""A real server that may be killed, started again and made to answer badly, and deploys that go step by step."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from support import SERVER_SETTINGS, Api, wait_until

from meta_prefect.interfaces.names import artifact_key

HERE = Path(__file__).parent


class FaultyServer:
    """A real Prefect server that can be killed, started again, and made to answer badly.

    Args:
        home: Its PREFECT_HOME, which it keeps through restarts.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self._port = listener.getsockname()[1]
        self.api = Api(f"http://127.0.0.1:{self._port}/api")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What leads a process to it."""
        return {
            **os.environ,
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": self.api.url,
            "META_PREFECT__START_WORKER": "false",
            # A log that cannot be sent would only be repeated on the terminal.
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
        }

    def launch(self) -> None:
        """Start it, and do not wait."""
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "faulty_server.py"), str(self._port)],
                env={**self.environment, **SERVER_SETTINGS, "PREFECT_SERVER_UI_ENABLED": "false"},
                stdout=log,
                stderr=log,
            )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        self.wait()

    def wait(self) -> None:
        """Wait until it answers."""

        def answers() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, (self.home / "server.log").read_text()[-2000:]
            try:
                return httpx.get(f"{self.api.url}/health").is_success
            except httpx.TransportError:
                return False

        wait_until(answers, what="the server answers", seconds=120)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=30)

    def spoil(self, **faults: Any) -> None:
        """Make it answer badly from now on; nothing given makes it well again. See ``faulty_server.py``."""
        httpx.put(f"{self.api.ui_url}/faults", json=faults).raise_for_status()

    @contextmanager
    def spoilt(self, **faults: Any) -> Generator[None]:
        """Make it answer badly for a while."""
        self.spoil(**faults)
        try:
            yield
        finally:
            self.spoil()

    def deploy(self, root: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Deploy a project to it, as a user does."""
        return self.run("deploy", str(root), *options)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command against it."""
        return subprocess.run(
            [sys.executable, "-m", "meta_prefect.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    def launch_deploy(self, root: Path, *options: str) -> subprocess.Popen[str]:
        """Begin a deploy."""
        command = [sys.executable, "-m", "meta_prefect.cli", "deploy", str(root), *options]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @contextmanager
    def stepwise(self, root: Path, *options: str) -> Generator[Steps]:
        """Deploy step by step; what is left of it in the end is killed."""
        with (self.home / "stepwise.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "stepwise.py"), *options, str(root)],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            yield Steps(process)
        finally:
            process.kill()
            process.wait(timeout=30)
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def assert_converges(self, root: Path, project: str, names: set[str], *options: str) -> None:
        """Deploy again; then nothing is left to do, nothing is there twice, and no lock is held."""
        again = self.deploy(root, *options)
        plan = self.run("plan", str(root))
        live = [one["name"] for one in self.api.deployments_of(project)]
        assert again.returncode == 0, again.stdout + again.stderr
        assert plan.returncode == 0, plan.stdout + plan.stderr
        assert sorted(live) == sorted(names)
        assert self.api.get(f"/variables/name/{artifact_key(f'meta-prefect-lock-{project}-dev')}") is None


class Steps:
    """A deploy that waits at each of its events.

    Args:
        process: The deploy.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.events: list[str] = []

    def next(self) -> str | None:
        """The event at which it waits now; None where it has ended."""
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            text = line.rstrip("\n")
            if text.startswith(("start: ", "expect: ")) or text == "end":
                self.events.append(text)
                return text
        return None

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def advance_to(self, number: int) -> str | None:
        """Go on until it waits at an event, counted from 0."""
        event = self.next()
        while event is not None and len(self.events) <= number:
            self.go_on()
            event = self.next()
        return event

    def finish(self) -> int:
        """Let it run to its end; returns its exit code."""
        self.go_on()
        while self.next() is not None:
            self.go_on()
        return self._process.wait(timeout=120)

    def kill(self) -> None:
        """Kill it, without a chance to clean up."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=30)
