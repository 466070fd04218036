"""What tests of promotions and smoke runs share: a repository, a run that waits for approval, a deployment record by record."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from support import Api, unmarked, wait_until


def git(root: Path, *arguments: str) -> str:
    """Let Git do something in a project's folder; returns what it says."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    done = subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def waiting(server: Api, project: str, *, but: str = "") -> Any:
    """The run of a project that waits for approval, by another question than one that was seen before."""
    condition = {"tags": {"all_": [f"project={project}"]}, "state": {"type": {"any_": ["PAUSED"]}}}

    def found() -> Any:
        for run in server.post("/flow_runs/filter", flow_runs=condition):
            details = run["state"]["state_details"]
            # Prefect writes the form a moment after the run's state.
            form = f"/flow_runs/{run['id']}/input/{details['run_input_keyset']['description']}"
            if details["pause_key"] != but and server.get(form):
                return run
        return None

    return wait_until(found, what="a run waits for approval", seconds=180)


def record(server: Api, name: str) -> Any:
    """A deployment as it was written; when it was is no part of that."""
    found = unmarked(server.deployment(name))
    schedules = [{key: one[key] for key in ("slug", "active", "schedule")} for one in found["schedules"]]
    others = ("updated", "last_polled", "status", "schedules")
    return {**{key: value for key, value in found.items() if key not in others}, "schedules": schedules}


def locks(server: Api, project: str) -> list[Any]:
    """The locks of a project."""
    return server.post("/variables/filter", variables={"name": {"like_": f"meta-prefect-lock-{project}%"}})
