"""Relative links to pages in the Prefect UI, from the page of an artifact or a run.

Relative links keep readers in the UI they are using: Prefect serves its current UI under ``/v2``, its former one at the root,
and Cloud under a workspace; in each, an artifact's page is at ``artifacts/artifact/<id>``.
"""

from __future__ import annotations


def deployment_page(deployment_id: str | None) -> str | None:
    """Return the relative URL of a deployment's page; None without a deployment."""
    return deployment_id and f"../../deployments/deployment/{deployment_id}"


def run_page(run_id: str | None) -> str | None:
    """Return the relative URL of a flow run's page; None without a run."""
    return run_id and f"../../runs/flow-run/{run_id}"
