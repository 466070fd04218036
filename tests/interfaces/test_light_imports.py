"""A flow's image pays for what decorating a flow imports, on every run."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "boto3",
    "botocore",
    "kubernetes",
    "kubernetes_asyncio",
    "dask",
    "distributed",
    "holidays",
    "prefect.server.api.server",
)

DECORATING = """
from prefect import flow
from deployer_flows import local_run_deployer
from meta_prefect.implementations.infra import local_process
from meta_prefect.implementations.metadata import tags_resolver, versioneer

@local_run_deployer.with_variables(name="a", schedule="0 9 * * *")
@(versioneer() | tags_resolver() | local_process())
@flow
def work(): ...
"""


def loaded(code: str) -> set[str]:
    """The modules that a piece of code loads in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("code", ["import meta_prefect", DECORATING], ids=["import", "decorating"])
def test_no_heavy_client_is_imported(code: str) -> None:
    """Importing Meta-Prefect and decorating a flow load no cloud client, no cluster, no calendar and no server."""
    assert loaded(code) & set(HEAVY) == set()


@pytest.mark.parametrize(
    "module", ["meta_prefect", "deployer_flows", "meta_prefect.cli", "meta_prefect.testing.plugin"]
)
def test_prefect_itself_is_imported_when_it_is_needed(module: str) -> None:
    """The packages, the command line and pytest come up without Prefect, which takes seconds to import."""
    assert not [name for name in loaded(f"import {module}") if name == "prefect" or name.startswith("prefect.")]
