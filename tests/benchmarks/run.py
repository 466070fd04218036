"""Meta-Prefect beside `prefect deploy --all`, `flow.deploy()` in a loop, and the floor: ``python tests/benchmarks/run.py``.

All rivals deploy the same project to one server, in turn, several rounds of it, so that a busy machine disturbs all alike.
Times are of whole processes, from the command to its end, medians of the rounds; the floor is the writes alone. Options say
which servers, sizes and cases; ``--json FILE`` keeps the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import starts
from proxy import Proxy
from rich.console import Console
from rich.table import Table
from rivals_project import POOL, Project
from servers import SERVERS, environment

HERE = Path(__file__).parent
OURS, PREFECT, LOOP, FLOOR = "meta-prefect", "prefect deploy --all", "flow.deploy() loop", "floor"
FIRST, NOTHING, ONE_PERCENT, ALL, PLAN = "first", "nothing changed", "1 % changed", "all changed", "plan only"
CASES = (FIRST, NOTHING, ONE_PERCENT, ALL, PLAN)
LARGEST_FOR_ALL = 100
"""Above this size the slow rivals would take a quarter of an hour each, and sit out unless they are asked for."""


@dataclass(frozen=True)
class Figure:
    """One measurement.

    Attributes:
        server: On which server.
        size: How many deployments, and over how many modules.
        case: What was done.
        rival: Who did it.
        delay: Milliseconds added to each request.
        seconds: How long it took.
        megabytes: The process's peak memory.
        requests: How many requests it sent; None in a round that is timed.
        overloaded: How many of them were answered with 503.
        limited: How many of them Prefect Cloud would count against its limit.
        lines: How many lines of logs it sent.
    """

    server: str
    size: str
    case: str
    rival: str
    delay: int
    seconds: float
    megabytes: float
    requests: int | None = None
    overloaded: int | None = None
    limited: int | None = None
    lines: int | None = None


class Arena:
    """A server on which rivals deploy a project.

    Args:
        server: The server's name.
        url: Its address.
        folder: A place for the project and for each rival's PREFECT_HOME.
        options: What was asked for.
    """

    def __init__(self, server: str, url: str, folder: Path, options: argparse.Namespace) -> None:
        self._server = server
        self._url = url
        self._folder = folder
        self._options = options
        self._api = httpx.Client(base_url=f"{url}/api", timeout=60)
        answer = self._api.get("/csrf-token", params={"client": "benchmark"})
        if answer.is_success:  # the server that Meta-Prefect starts asks for it, a plain one has none
            token = answer.json()["token"]
            self._api.headers.update({"Prefect-Csrf-Client": "benchmark", "Prefect-Csrf-Token": token})
        self._make_pool()

    def _make_pool(self) -> None:
        code = (
            "import json; from prefect.workers.process import ProcessWorker as W;"
            "print(json.dumps(W.get_default_base_job_template()))"
        )
        printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        body = {"name": POOL, "type": "process", "base_job_template": json.loads(printed)}
        self._api.post("/work_pools/", json=body).raise_for_status()

    def clear(self) -> None:
        """Delete every deployment."""
        while found := self._api.post("/deployments/filter", json={"limit": 200}).raise_for_status().json():
            for one in found:
                self._retried("DELETE", f"/deployments/{one['id']}")

    def _retried(self, method: str, path: str) -> None:
        while self._api.request(method, path).status_code == 503:
            time.sleep(0.02)

    def meet(self, number: int, modules: int, delay: int) -> Iterator[Figure]:
        """Let all rivals deploy a project of one size, several rounds, and once more to count requests."""
        project = Project(self._folder / f"project-{number}-{modules}", number, modules)
        size = f"{number}" if modules == 1 else f"{number} in {modules} modules"
        for turn in range(self._options.rounds + 1):
            counting = turn == self._options.rounds
            for rival in self._rivals(number):
                self.clear()
                for case in self._options.cases:
                    if (command := self._prepare(project, rival, case)) is not None:
                        yield self._measure(size, case, rival, command, project.folder, delay, counting=counting)

    def _rivals(self, number: int) -> Sequence[str]:
        everybody = number <= LARGEST_FOR_ALL or self._options.all_rivals
        return [rival for rival in self._options.rivals if everybody or rival in (OURS, FLOOR)]

    def _prepare(self, project: Project, rival: str, case: str) -> list[str] | None:
        changed = {ONE_PERCENT: max(1, project.number // 100), ALL: project.number}.get(case, 0)
        if case == PLAN and rival != OURS:
            return None
        if rival == FLOOR and case not in (FIRST, ALL):
            return None
        if case != PLAN:
            project.write(changed=changed)
        commands = {
            OURS: ["-m", "meta_prefect.cli", "plan" if case == PLAN else "deploy", str(project.folder)],
            PREFECT: ["-m", "prefect", "--no-prompt", "deploy", "--all"],
            LOOP: ["loop.py"],
            FLOOR: [str(HERE / "floor.py"), str(project.folder)],
        }
        return [sys.executable, *commands[rival]]

    def _measure(
        self, size: str, case: str, rival: str, command: list[str], cwd: Path, delay: int, *, counting: bool
    ) -> Figure:
        if not (counting or delay):
            seconds, megabytes = self._timed(command, cwd, self._url)
            return Figure(self._server, size, case, rival, delay, seconds, megabytes)
        with Proxy(self._url, delay / 1000) as proxy:
            seconds, megabytes = self._timed(command, cwd, proxy.url)
        seen = proxy.traffic
        counts = (seen.requests, seen.overloaded, seen.limited, seen.lines) if counting else ()
        if self._options.paths and counting:
            sys.stderr.write(f"{rival}, {case}: {dict(proxy.traffic.paths.most_common(12))}\n")
        return Figure(self._server, size, case, rival, delay, seconds, megabytes, *counts)

    def _timed(self, command: list[str], cwd: Path, url: str) -> tuple[float, float]:
        home = self._folder / "home"
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            began = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=cwd, env=environment(home, PREFECT_API_URL=f"{url}/api"), stdout=out, stderr=err
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            if process.returncode not in (0, 2):
                raise RuntimeError(f"{command} failed: {out.read()[-2000:]} {err.read()[-3000:]}")
            if command[1].endswith("floor.py"):
                seconds = float(out.read())
        return seconds, usage.ru_maxrss / 1024


def tables(figures: Sequence[Figure]) -> Iterator[Table]:
    """One table per server, size and delay: medians, and how many times longer than Meta-Prefect each rival took."""
    for server, size, delay in dict.fromkeys((one.server, one.size, one.delay) for one in figures):
        group = [one for one in figures if (one.server, one.size, one.delay) == (server, size, delay)]
        added = f", {delay} ms added to each request" if delay else ""
        table = Table(title=f"{size} deployments, {server} server{added}", title_justify="left")
        for column in ("case", "rival", "seconds", "x ours", "requests", "limited", "log lines", "503", "MB"):
            table.add_column(column, justify="left" if column in ("case", "rival") else "right")
        for case, rival in dict.fromkeys((one.case, one.rival) for one in group):
            found = [one for one in group if (one.case, one.rival) == (case, rival)]
            ours = _median([one for one in group if (one.case, one.rival) == (case, OURS)])
            median = _median(found)
            counted = next((one for one in found if one.requests is not None), None)
            table.add_row(
                case,
                rival,
                f"{median:.2f}",
                f"{median / ours:.2f}" if ours else "",
                str(counted.requests) if counted else "",
                str(counted.limited) if counted else "",
                str(counted.lines) if counted else "",
                str(counted.overloaded) if counted else "",
                f"{max(one.megabytes for one in found):.0f}",
            )
        yield table


def _median(figures: Sequence[Figure]) -> float:
    timed = [one.seconds for one in figures if one.requests is None] or [one.seconds for one in figures]
    return statistics.median(timed) if timed else 0.0


def about() -> dict[str, Any]:
    """The machine and the versions."""
    packages = ("meta-prefect", "prefect", "sqlalchemy", "pydantic", "httpx")
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{name: version(name) for name in packages},
    }


def main() -> None:
    """Measure what was asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default="embedded,plain", help="of embedded, plain, postgres, composed")
    parser.add_argument("--postgres", action="store_true", help="the same as adding postgres to --servers")
    parser.add_argument(
        "--sizes",
        default="20,100",
        help="numbers of deployments; 100/20 spreads them over 20 modules, one of which imports pandas",
    )
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rivals", default=",".join((OURS, PREFECT, LOOP, FLOOR)))
    parser.add_argument("--delays", default="0", help="milliseconds added to each request, such as 0,50")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--all-rivals", action="store_true", help=f"also above {LARGEST_FOR_ALL} deployments")
    parser.add_argument("--paths", action="store_true", help="say which requests each rival sends")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument(
        "--starts", action=argparse.BooleanOptionalAction, default=True, help="also what starting costs"
    )
    options = parser.parse_args()
    options.cases, options.rivals = options.cases.split(","), options.rivals.split(",")
    servers = [*options.servers.split(","), *(["postgres"] if options.postgres else [])]
    figures: list[Figure] = []
    console = Console(width=110)
    started = starts.measure() if options.starts else []
    if started:
        console.print(starts.table(started))
    for server in servers:
        # Not below the folder for temporary files: projects lie elsewhere.
        scratch = tempfile.TemporaryDirectory(prefix=".meta-prefect-benchmark-", dir=Path.home())
        with SERVERS[server]() as url, scratch as folder:
            arena = Arena(server, url, Path(folder), options)
            for size in options.sizes.split(","):
                number, _, modules = size.partition("/")
                for delay in map(int, options.delays.split(",")):
                    met = list(arena.meet(int(number), int(modules or 1), delay))
                    figures += met
                    for table in tables(met):
                        console.print(table)
    console.print(about())
    if options.json:
        told = {
            "about": about(),
            "starts": [asdict(one) for one in started],
            "figures": [asdict(one) for one in figures],
        }
        options.json.write_text(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
