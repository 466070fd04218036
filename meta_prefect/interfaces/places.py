"""Where an object's page is in the Prefect UI, seen from the page of an artifact or of a run.

Such links stay in the UI that the reader is in: Prefect serves its present UI below ``/v2``, its former one at the root, and
Cloud below a workspace; in each an artifact's page is at ``artifacts/artifact/<id>``.
"""

from __future__ import annotations


def deployment_page(deployment_id: str | None) -> str | None:
    """The relative address of a deployment's page; None where there is no deployment."""
    return deployment_id and f"../../deployments/deployment/{deployment_id}"


def run_page(run_id: str | None) -> str | None:
    """The relative address of a flow run's page; None where there is no run."""
    return run_id and f"../../runs/flow-run/{run_id}"
