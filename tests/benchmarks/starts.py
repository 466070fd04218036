"""What starting costs: importing Meta-Prefect beside importing Prefect, and commands that do next to nothing.

Each figure is the median of several fresh processes, measured in turn so that a busy machine disturbs all alike.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from rich.table import Table
from servers import environment

BASE = "import prefect"
CASES = {
    BASE: ("-c", "import prefect"),
    "import prefect, meta_prefect": ("-c", "import prefect, meta_prefect"),
    "decorate a flow, nothing of ours": ("-c", "from prefect import flow\n@flow\ndef f(): ..."),
    "decorate a flow with a recipe": (
        "-c",
        "from prefect import flow\nfrom deployer_flows import local_run_deployer\n"
        "@local_run_deployer.with_variables(name='a')\n@flow\ndef f(): ...",
    ),
    "meta-prefect --help": ("-m", "meta_prefect.cli", "--help"),
    "meta-prefect plan, of an empty folder": ("-m", "meta_prefect.cli", "plan"),
}


@dataclass(frozen=True)
class Start:
    """One way to start.

    Attributes:
        case: What was started.
        seconds: How long it took, in the median.
        cpu: The seconds of processor time, in the median.
    """

    case: str
    seconds: float
    cpu: float


def measure(rounds: int = 5) -> list[Start]:
    """Start each case so many times."""
    taken: dict[str, list[tuple[float, float]]] = {case: [] for case in CASES}
    with tempfile.TemporaryDirectory(prefix="meta-prefect-benchmark-") as folder:
        for _ in range(rounds + 1):
            for case, arguments in CASES.items():
                taken[case].append(_once(arguments, folder))
    # The first round writes bytecode.
    medians = {
        case: [statistics.median(column) for column in zip(*times[1:], strict=True)] for case, times in taken.items()
    }
    return [Start(case, *median) for case, median in medians.items()]


def table(starts: list[Start]) -> Table:
    """Show figures, each also beside importing Prefect alone."""
    base = next(one.seconds for one in starts if one.case == BASE)
    shown = Table(title="Starting", title_justify="left")
    for column in ("case", "seconds", "CPU", "x import prefect"):
        shown.add_column(column, justify="left" if column == "case" else "right")
    for one in starts:
        shown.add_row(one.case, f"{one.seconds:.2f}", f"{one.cpu:.2f}", f"{one.seconds / base:.2f}")
    return shown


def _once(arguments: tuple[str, ...], folder: str) -> tuple[float, float]:
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=quiet, stderr=quiet)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime
