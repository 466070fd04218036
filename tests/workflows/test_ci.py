"""The workflows of this repository run stages that `.ci/run` has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def test_the_workflow_s_jobs_are_all_stages_of_the_script() -> None:
    """Each stage of the script is a job, and each job is such stages."""
    script = (ROOT / ".ci" / "run").read_text()
    workflow: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    jobs = [*matrix["stage"], *(one["stage"] for one in matrix["include"])]
    (stages,) = re.findall(r"^\[ \$# -gt 0 \] \|\| stages=\((.*)\)$", script, re.MULTILINE)
    assert sorted(" ".join(jobs).split()) == sorted(stages.split())
    assert all(f"\n{stage}() {{\n" in script for stage in stages.split())
