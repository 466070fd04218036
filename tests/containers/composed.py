"""The system of docker/compose.yaml as processes of this host: the same commands and settings, read from that file.

What differs is only what must: loopback addresses with free ports in place of the services' names, and folders of the test's own
in place of the containers'.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from support import Api, wait_until

DOCKER = Path(__file__).parents[2] / "docker"
COMPOSE = DOCKER / "compose.yaml"
SECRETS = {"postgres_password": "a-password-of-the-test", "api_auth_string": "admin:an-auth-string-of-the-test"}

_INTERPOLATED = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")
_FROM_A_SERVICE = re.compile(r"\b(postgres|redis|gateway|server-[12]):\d+")
_OWN = re.compile(r"(?:0\.0\.0\.0|127\.0\.0\.1|\*):(?:4200|8080)\b")


def composed_services() -> dict[str, Any]:
    """The services of the compose file."""
    return yaml.safe_load(COMPOSE.read_text())["services"]


@dataclass
class ComposedSystem:
    """The running system.

    Attributes:
        folder: Where secrets, data and logs are.
        project: The project's folder, in place of /srv/flows.
        ports: The port of each service on loopback.
        running: The processes by service.
    """

    folder: Path
    project: Path
    ports: dict[str, int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])

    @property
    def api(self) -> Api:
        """The API behind the gateway."""
        return Api(f"http://127.0.0.1:{self.ports['gateway']}/api", SECRETS["api_auth_string"])

    def _here(self, service: str, text: str) -> str:
        """A setting or argument of a container as it is on this host."""
        text = _INTERPOLATED.sub(lambda found: os.environ.get(found[1]) or found[2] or "", text)
        numbers = {"5432": "postgres", "6379": "redis", "4200": service, "8080": service}
        if text in numbers:
            return str(self.ports[numbers[text]])
        if text in ("postgres", "redis", "0.0.0.0"):  # noqa: S104 - replaced by loopback
            return "127.0.0.1"
        text = _FROM_A_SERVICE.sub(lambda found: f"127.0.0.1:{self.ports[found[1]]}", text)
        text = _OWN.sub(f"127.0.0.1:{self.ports.get(service, 0)}", text)
        return text.replace("/run/secrets", str(self.folder / "secrets")).replace("/srv/flows", str(self.project))

    def environment(self, service: str) -> dict[str, str]:
        """The environment of a service's process: that of the compose file, and what the image sets."""
        settings = composed_services()[service].get("environment", {})
        home = self.folder / service
        home.mkdir(exist_ok=True)
        return {
            "PATH": f"{DOCKER}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "PREFECT_HOME": str(home / ".prefect"),
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
            "PYTHONUNBUFFERED": "1",
            "DO_NOT_TRACK": "1",
            **{name: self._here(service, value) for name, value in settings.items()},
        }

    def command(self, service: str) -> list[str]:
        """The command of a service."""
        return [self._here(service, argument) for argument in composed_services()[service]["command"]]

    def start(self, service: str, command: list[str] | None = None) -> subprocess.Popen[bytes]:
        """Start a service's process; its output goes to a log of its own."""
        with (self.folder / f"{service}.log").open("ab") as log:
            process = subprocess.Popen(
                command or self.command(service),
                env=self.environment(service),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running[service] = process
        return process

    def run(self, service: str) -> None:
        """Run a service that ends by itself."""
        process = self.start(service)
        assert process.wait(timeout=180) == 0, self.log(service)

    def stop(self, service: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop a service and wait for its end."""
        process = self.running.pop(service)
        process.send_signal(how)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)

    def log(self, service: str) -> str:
        """The end of a service's log."""
        return (self.folder / f"{service}.log").read_text()[-6000:]

    def wait_for(self, service: str) -> None:
        """Wait until a service answers its health check."""
        url = self.environment(service)["HEALTH_URL"]

        def answers() -> bool:
            assert self.running[service].poll() is None, self.log(service)
            try:
                return httpx.get(url).is_success
            except httpx.TransportError:
                return False

        wait_until(answers, what=f"{service} is healthy", seconds=120)

    def start_postgres(self) -> None:
        """Start PostgreSQL with the user, the database and the password of the compose file."""
        wanted, data = self.environment("postgres"), self.folder / "postgres-data"
        programs = _postgres_programs()
        data.mkdir()
        as_user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            shutil.chown(data, "nobody", "nogroup")
        password = wanted["POSTGRES_PASSWORD_FILE"]
        init = ["initdb", "--username", wanted["POSTGRES_USER"], "--pwfile", password, "--auth", "scram-sha-256"]
        for command in (
            [*init, "--no-sync", "-D", str(data)],
            ["pg_ctl", "-D", str(data), "-w", "-l", str(data / "log"), "-o", self._postgres_options(data), "start"],
        ):
            subprocess.run(
                [*as_user, str(programs / command[0]), *command[1:]],
                check=True,
                cwd="/",
                stdout=subprocess.DEVNULL,
                timeout=60,
            )
        connection = ["-h", "127.0.0.1", "-p", str(self.ports["postgres"]), "-U", wanted["POSTGRES_USER"]]
        subprocess.run(
            [str(programs / "createdb"), *connection, wanted["POSTGRES_DB"]],
            env={**os.environ, "PGPASSWORD": SECRETS["postgres_password"]},
            check=True,
            timeout=60,
        )

    def _postgres_options(self, data: Path) -> str:
        return f"-p {self.ports['postgres']} -c listen_addresses=127.0.0.1 -c fsync=off -k {data}"

    def stop_postgres(self) -> None:
        """Stop PostgreSQL at once."""
        pid = (self.folder / "postgres-data" / "postmaster.pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGQUIT)

    def start_redis(self) -> None:
        """Start Redis with the compose file's own arguments."""
        own = ["--port", str(self.ports["redis"]), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        self.start("redis", [*composed_services()["redis"]["command"], *own])


def _postgres_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        pytest.skip("PostgreSQL is not installed")
    return Path(on_path).parent


@contextmanager
def composed_system(project: Path) -> Generator[ComposedSystem]:
    """Start everything but the deployer, in the order of the compose file."""
    _postgres_programs()
    for program in ("redis-server", "haproxy"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    pytest.importorskip("prefect_redis", reason="prefect-redis is not installed")
    with tempfile.TemporaryDirectory(prefix="meta-prefect-composed-") as name, _started(Path(name), project) as system:
        yield system


@contextmanager
def _started(folder: Path, project: Path) -> Generator[ComposedSystem]:
    folder.chmod(0o755)  # PostgreSQL's own user reads its password there
    (folder / "secrets").mkdir()
    for name, text in SECRETS.items():
        (folder / "secrets" / name).write_text(f"{text}\n")
    system = ComposedSystem(
        folder, project, _free_ports("postgres", "redis", "server-1", "server-2", "gateway", "worker")
    )
    with ExitStack() as stopping:
        system.start_postgres()
        stopping.callback(system.stop_postgres)
        stopping.callback(lambda: [system.stop(service) for service in reversed(list(system.running))])
        system.start_redis()
        system.run("migrate")
        del system.running["migrate"]
        for service in ("server-1", "server-2", "services"):
            system.start(service)
        system.start("gateway", ["haproxy", "-W", "-f", str(DOCKER / "haproxy.cfg")])
        system.start("worker")
        for service in ("server-1", "server-2"):
            system.wait_for(service)
        yield system


def _free_ports(*names: str) -> dict[str, int]:
    with ExitStack() as held:
        listeners = [held.enter_context(socket.socket()) for _ in names]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return {name: listener.getsockname()[1] for name, listener in zip(names, listeners, strict=True)}
