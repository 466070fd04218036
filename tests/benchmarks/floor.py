"""The floor: one client that sends the writes which the server needs, one after another, and nothing else.

``python floor.py FOLDER``; prints the seconds that the writes took, without starting Python and importing Prefect.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import yaml


def main(folder: Path) -> None:
    """Write every deployment of ``prefect.yaml``."""
    from prefect.client.orchestration import get_client

    document: dict[str, Any] = yaml.safe_load((folder / "prefect.yaml").read_text())
    schemas: dict[str, Any] = {}
    flows: dict[str, str] = {}
    sys.path.insert(0, str(folder))
    for one in document["deployments"]:
        module = one["entrypoint"].partition(".")[0]
        if module not in schemas:
            schemas[module] = __import__(module).work
    with get_client(sync_client=True) as client:
        began = time.perf_counter()
        for one in document["deployments"]:
            flow = schemas[one["entrypoint"].partition(".")[0]]
            if flow.name not in flows:
                flows[flow.name] = str(client.create_flow(flow))
            (schedule,) = one["schedules"]
            rule = {"cron": schedule["cron"], "timezone": schedule["timezone"]}
            body = {
                "name": one["name"],
                "flow_id": flows[flow.name],
                "version": one["version"],
                "tags": one["tags"],
                "entrypoint": one["entrypoint"],
                "parameters": one["parameters"],
                "pull_steps": one["pull"],
                "work_pool_name": one["work_pool"]["name"],
                "parameter_openapi_schema": flow.parameters.model_dump_for_openapi(),
                "enforce_parameter_schema": True,
                "description": flow.description,
                "schedules": [{"schedule": rule, "slug": schedule["slug"], "active": schedule["active"]}],
            }
            client.request("POST", "/deployments/", json=body)
        sys.stdout.write(f"{time.perf_counter() - began:.3f}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
