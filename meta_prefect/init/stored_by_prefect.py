"""Determines what Prefect itself would store for a prefect.yaml, to compare a new project with; writes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meta_prefect.errors import ConfigurationError
from meta_prefect.plan.deployment_record import LiveDeployment, live_deployment


@dataclass(frozen=True, slots=True)
class StoredByPrefect:
    """What `prefect deploy --all` would store.

    Attributes:
        records: The deployments by ``flow/deployment``, as they would be live.
        refused: Why Prefect rejects others, by name.
    """

    records: Mapping[str, LiveDeployment]
    refused: Mapping[str, str]


def stored_by_prefect(file: Path) -> StoredByPrefect:
    """Run Prefect's own functions, which load the flows in the file's folder.

    Templates of environment variables are filled from the current environment; those that refer to saved blocks and
    variables, or to outputs of steps, are dropped.


    Raises:
        ConfigurationError: This version of Prefect is not supported.
    """
    results = [one for _, one in told_by_prefect(file.resolve().parent, file.name)]
    stored = [live_deployment(one["answer"], one["flow_name"]) for one in results if "answer" in one]
    return StoredByPrefect(
        {one.full_name: one for one in stored}, {one["name"]: one["refused"] for one in results if "refused" in one}
    )


def told_by_prefect(root: Path, *files: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what each deployment of the files would be, with its file.

    Raises:
        ConfigurationError: This version of Prefect is not supported.
    """
    command = [sys.executable, "-m", "meta_prefect.prefect_internals.as_prefect_would", *files]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise ConfigurationError(f"Prefect cannot be asked what it would store: {reason}", where=str(root))
    for line in done.stdout.splitlines():
        if line.startswith('{"file": '):  # flows may print when they are loaded
            result: dict[str, Any] = json.loads(line)
            yield result["file"], result
