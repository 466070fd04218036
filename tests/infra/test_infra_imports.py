"""What a flow's image pays for the decorators on every run."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "prefect",
    "boto3",
    "botocore",
    "prefect_aws",
    "prefect_kubernetes",
    "kubernetes_asyncio",
    "kubernetes",
    "dask",
)


@pytest.mark.parametrize("concern", ["infra", "filesystem", "task_runner", "code"])
def test_importing_builders_imports_nothing_heavy(concern: str) -> None:
    """Neither Prefect nor any client of a cloud is imported with the builders' names."""
    program = (
        f"import sys, meta_prefect.implementations.{concern}; print([one for one in {HEAVY!r} if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
