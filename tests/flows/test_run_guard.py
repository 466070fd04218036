"""Importing a module to deploy its flows never runs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prefect import Flow
from support import Api

from meta_prefect.errors import FlowImportError
from meta_prefect.flows.loader import ProjectModules

HEAD = """
    import asyncio
    from pathlib import Path
    from prefect import flow, serve, task

    @flow(name="UNIQUE")
    def job() -> None:
        Path(__file__).with_name("ran").touch()

    @flow(name="UNIQUE-async")
    async def later() -> None:
        Path(__file__).with_name("ran").touch()

    @task(name="UNIQUE-task")
    def step() -> None:
        Path(__file__).with_name("ran").touch()

"""

STARTS = {
    "a call": ("job()", "runs 'UNIQUE'"),
    "an async call": ("asyncio.run(later())", "runs 'UNIQUE-async'"),
    "a task": ("step()", "runs 'UNIQUE-task'"),
    "a submitted task": ("step.submit()", "runs 'UNIQUE-task'"),
    "a served flow": ("job.serve(name='x')", "serves 'UNIQUE'"),
    "several served": ("serve(job.to_deployment('x'))", "serves flows as 'runner-"),
    "a deployed flow": ("job.deploy('x', work_pool_name='p', image='i')", "deploys 'UNIQUE'"),
    "an applied deployment": ("job.to_deployment('x').apply()", "deploys 'x'"),
    "a call in a thread": (
        "import threading\n    thread = threading.Thread(target=job)\n    thread.start()\n    thread.join()",
        "runs 'UNIQUE'",
    ),
    "a call in a pool of threads": (
        "from concurrent.futures import ThreadPoolExecutor\n    list(ThreadPoolExecutor().map(lambda _: job(), 'x'))",
        "runs 'UNIQUE'",
    ),
    "a call whose failure is caught": ("try:\n        job()\n    except Exception:\n        pass", "runs 'UNIQUE'"),
}


@pytest.mark.parametrize(("line", "said"), STARTS.values(), ids=STARTS.keys())
def test_a_module_that_runs_something_when_it_is_imported_is_refused(
    project: Callable[..., Path], server: Api, unique: str, line: str, said: str
) -> None:
    """Nothing of the flow's body runs, no run is recorded, and the error says which line to put where."""
    root = project(flows=f"{HEAD}    {line}\n")

    with pytest.raises(FlowImportError) as failed:
        ProjectModules(root).load_flow("flows.py:job")

    assert f"the module {said.replace('UNIQUE', unique)}" in str(failed.value)
    assert str(failed.value).endswith('Put the call below `if __name__ == "__main__":`.')
    assert not (root / "ran").exists()
    flows = {"name": {"like_": unique}}
    assert server.post("/flow_runs/count", flows=flows) == 0


def test_flows_run_as_ever_after_the_import(project: Callable[..., Path], unique: str) -> None:
    """What is refused is refused during the import alone; a deployment may be described in the module."""
    described = "    made = job.to_deployment('x')\n"
    before = dict(vars(Flow))
    modules = ProjectModules(project(flows=HEAD + described))
    flow = modules.load_flow("flows.py:job")

    assert flow.name == unique
    assert dict(vars(Flow)) == before
    assert callable(flow)
