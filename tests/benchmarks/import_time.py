"""What importing Meta-Prefect costs beside importing Prefect: ``python tests/benchmarks/import_time.py``.

Each figure is the median of several fresh processes, measured in turn so that a busy machine disturbs all alike.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 5
CASES = {
    "import prefect": "import prefect",
    "import prefect, meta_prefect": "import prefect, meta_prefect",
    "decorate a flow, nothing of ours": "from prefect import flow\n@flow\ndef f(): ...",
    "decorate a flow with a recipe": (
        "from prefect import flow\nfrom deployer_flows import local_run_deployer\n"
        "@local_run_deployer.with_variables(name='a')\n@flow\ndef f(): ..."
    ),
    "meta-prefect --help": "import sys; from meta_prefect.cli import main; main(['--help'])",
}


def seconds(code: str) -> float:
    """Run a piece of code in a process of its own."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Print medians, and ratios to importing Prefect alone."""
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, code in CASES.items():
            times[name].append(seconds(code))
    base = statistics.median(times["import prefect"])
    for name, taken in times.items():
        median = statistics.median(taken)
        sys.stdout.write(f"{name:<36} {median:6.2f} s  {median / base:5.2f} of importing prefect\n")


if __name__ == "__main__":
    main()
