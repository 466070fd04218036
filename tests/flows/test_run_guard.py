"""Importing a module to deploy its flows never runs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prefect import Flow
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_ENABLED, temporary_settings
from pydantic import SecretStr
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
    "a run of a deployment": (
        "from prefect.deployments import run_deployment\n    run_deployment('UNIQUE/x', timeout=0)",
        "writes to Prefect (POST /api/deployments/",
    ),
    "a run by Prefect's engine": (
        "from prefect.flow_engine import run_flow\n    run_flow(job)",
        "writes to Prefect (POST /api/flows/)",
    ),
    "a run by a client": (
        "from prefect import get_client\n    get_client(sync_client=True).create_flow_run(job)",
        "writes to Prefect (POST /api/flows/)",
    ),
    "a run by an async client in a thread": (
        "from prefect import get_client\n    from threading import Thread\n"
        "    thread = Thread(target=lambda: asyncio.run(get_client().create_flow_run(job)))\n"
        "    thread.start()\n    thread.join()",
        "writes to Prefect (POST /api/flows/)",
    ),
    "a variable": (
        "from prefect.variables import Variable\n    Variable.set('UNIQUE', 1)",
        "writes to Prefect (POST /api/variables/)",
    ),
    "a saved block": (
        "from prefect.blocks.system import Secret\n    Secret(value='x').save('UNIQUE')",
        "writes to Prefect (P",
    ),
    "a call whose failure is caught": ("try:\n        job()\n    except Exception:\n        pass", "runs 'UNIQUE'"),
}


@pytest.mark.parametrize(("line", "said"), STARTS.values(), ids=STARTS.keys())
def test_a_module_that_runs_something_when_it_is_imported_is_refused(
    project: Callable[..., Path], server: Api, unique: str, line: str, said: str
) -> None:
    """Nothing of the flow's body runs, no run is recorded, and the error says which line to put where."""
    root = project(flows=f"{HEAD}    {line}\n")
    server.post("/deployments/", name="x", flow_id=server.post("/flows/", name=unique)["id"])

    with pytest.raises(FlowImportError) as failed:
        ProjectModules(root).load_flow("flows.py:job")

    assert f"the module {said.replace('UNIQUE', unique)}" in str(failed.value)
    assert str(failed.value).endswith('Put the call below `if __name__ == "__main__":`.')
    assert not (root / "ran").exists()
    flows = {"name": {"like_": unique}}
    assert server.post("/flow_runs/count", flows=flows) == 0


READS = """
    from prefect import flow, get_client
    from prefect.blocks.system import Secret
    from prefect.variables import Variable

    word = Secret.load("UNIQUE").get()
    size = Variable.get("UNIQUE", 7)
    with get_client(sync_client=True) as client:
        names = [one.name for one in client.read_flows()]

    @flow(name=f"UNIQUE-{word}-{size}-{'UNIQUE' in names}")
    def job() -> None: ...
"""


def test_a_module_may_ask_prefect(project: Callable[..., Path], server: Api, unique: str) -> None:
    """Blocks and variables that are loaded at the top level are read, as on a worker."""
    server.post("/flows/", name=unique)
    Secret(value=SecretStr("word")).save(unique)

    assert ProjectModules(project(flows=READS)).load_flow("flows.py:job").name == f"{unique}-word-7-True"


def test_no_server_is_started_for_a_module_that_asks_prefect(project: Callable[..., Path]) -> None:
    """Where no API is configured Prefect would start one, which is what a deploy alone may do."""
    root = project(flows=READS)
    with (
        temporary_settings({PREFECT_SERVER_EPHEMERAL_ENABLED: True}, restore_defaults={PREFECT_API_URL}),
        pytest.raises(FlowImportError, match="No Prefect API URL provided"),
    ):
        ProjectModules(root).load_flow("flows.py:job")


def test_flows_run_as_ever_after_the_import(project: Callable[..., Path], unique: str) -> None:
    """What is refused is refused during the import alone; a deployment may be described in the module."""
    described = "    made = job.to_deployment('x')\n"
    before = dict(vars(Flow))
    modules = ProjectModules(project(flows=HEAD + described))
    flow = modules.load_flow("flows.py:job")

    assert flow.name == unique
    assert dict(vars(Flow)) == before
    assert callable(flow)
