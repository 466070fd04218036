"""What a deploy makes of a work pool's template where a recipe says something for all runs there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from planning import left_to_do
from support import Api

from meta_prefect.deploy import deploy
from meta_prefect.errors import ValidationFailed

pytestmark = pytest.mark.thorough

CODE = """
    from prefect import flow
    from meta_prefect.implementations.infra import pool_defaults, work_pool
    from meta_prefect.implementations.metadata import versioneer

    @flow(name="UNIQUE")
    def work() -> None: ...

    common = pool_defaults(variables={"working_dir": "/srv"}, template={"job_configuration": {"label": "ours"}})
    mine = (versioneer(version="1") | work_pool(name="UNIQUE-POOL", type="process") | common)(work)
"""


def test_any_key_is_merged_into_a_pool_of_ours_and_asked_of_another_one(
    server: Api, project: Callable[..., Path], unique: str
) -> None:
    """Made with it and with Prefect's own; kept so; what operators add stays. Somebody else's is refused and not written."""
    root = project(flow=CODE.replace("POOL", "ours"), **{"meta_prefect.yaml": "project: UNIQUE\n"})
    deploy([str(root)])

    template = server.get(f"/work_pools/{unique}-ours")["base_job_template"]
    assert template["variables"]["properties"]["working_dir"]["default"] == "/srv"
    assert template["variables"]["properties"]["working_dir"]["title"] == "Working Directory"
    assert template["job_configuration"]["label"] == "ours"
    assert left_to_do(root) == []
    template["variables"]["properties"]["working_dir"]["default"] = "/else"
    template["variables"]["properties"]["stream_output"]["default"] = False
    server.patch(f"/work_pools/{unique}-ours", base_job_template=template)
    deploy([str(root)])
    found = server.get(f"/work_pools/{unique}-ours")["base_job_template"]["variables"]["properties"]
    assert (found["working_dir"]["default"], found["stream_output"]["default"]) == ("/srv", False)

    del template["variables"]["x-meta-prefect"]
    server.post("/work_pools/", name=f"{unique}-theirs", type="process", base_job_template=template)
    project(flow=CODE.replace("POOL", "theirs"))
    with pytest.raises(ValidationFailed, match="did not create this pool and will not change it"):
        deploy([str(root)])
    assert server.get(f"/work_pools/{unique}-theirs")["base_job_template"] == template
