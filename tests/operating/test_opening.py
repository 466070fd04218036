"""`meta-prefect open FLOW/DEPLOYMENT`: the page of a deployment."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from support import Api

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_the_page_of_a_deployment(server: Api, run_cli: Cli, unique: str) -> None:
    """Its address is printed; of one that is not there the error says on which server."""
    flow = server.post("/flows/", name=unique)
    made = server.post("/deployments/", name="it's-dev", flow_id=flow["id"])
    done = run_cli("open", f"{unique}/it's-dev", "--print")
    assert (done.returncode, f"/deployments/deployment/{made['id']}" in done.stdout) == (0, True), done.stderr
    gone = run_cli("open", f"{unique}/nightly", "--print")
    assert (gone.returncode, f"there is no deployment '{unique}/nightly' on http" in gone.stderr) == (1, True)
