"""What is deployed can be loaded by a worker: judged by Prefect's own loader, in a process of its own as for a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support import Api, run_deployment

from meta_prefect.deploy import deploy, validate
from meta_prefect.errors import ValidationFailed

FLOW = """
    from prefect import flow

    {imports}

    @flow(name="UNIQUE")
    def up(x: int = 1) -> int:
        return x + VALUE
"""
VALUE = "VALUE = 1\n"
FILE = """
    project: UNIQUE
    deployments:
      UNIQUE:
        - recipe: local_run_deployer
          entrypoint: {entrypoint}
          variables: {{name: loaded}}
"""

LAYOUTS: dict[str, tuple[str, str, Mapping[str, str]]] = {
    "a script beside its helper": ("up.py:up", "from helper import VALUE", {"helper.py": VALUE}),
    "a script in a folder": ("jobs/up.py:up", "from helper import VALUE", {"jobs/helper.py": VALUE}),
    "a full name": ("shopy/flows/up.py:up", "from shopy.util import VALUE", {"shopy/util.py": VALUE}),
    "a neighbour": ("shopy/flows/up.py:up", "from .helper import VALUE", {"shopy/flows/helper.py": VALUE}),
    "a package beside": (
        "shopy/up.py:up",
        "from .tools.deep import VALUE",
        {
            "shopy/tools/__init__.py": "",
            "shopy/tools/deep.py": "from .flat import VALUE\n",
            "shopy/tools/flat.py": VALUE,
        },
    ),
    "what the folder's own package holds": ("shopy/up.py:up", "from . import VALUE", {"shopy/__init__.py": VALUE}),
    "a module of the folder": ("shopy/up.py:up", "from . import base; VALUE = base.VALUE", {"shopy/base.py": VALUE}),
    "a package that looks above": (
        "shopy/up.py:up",
        "from .tools.deep import VALUE",
        {"shopy/tools/__init__.py": "", "shopy/tools/deep.py": "from .. import VALUE\n", "shopy/__init__.py": VALUE},
    ),
    "the package above": ("shopy/flows/up.py:up", "from ..util import VALUE", {"shopy/util.py": VALUE}),
    "the package above, as a module": ("shopy.flows.up.up", "from ..util import VALUE", {"shopy/util.py": VALUE}),
    "a neighbour that looks above": (
        "shopy/flows/up.py:up",
        "from .helper import VALUE",
        {"shopy/flows/helper.py": "from ..util import VALUE\n", "shopy/util.py": VALUE},
    ),
    "an alternative": (
        "shopy/flows/up.py:up",
        "try:\n        from ..util import VALUE\n    except ImportError:\n        from shopy.util import VALUE",
        {"shopy/util.py": VALUE},
    ),
    "src": ("src/shopy/flows/up.py:up", "from ..util import VALUE", {"src/shopy/util.py": VALUE}),
}


def loads_on_a_worker(root: Path, entrypoint: str) -> bool:
    """Whether Prefect's loader loads it where a run does: in a new process, in the project's folder."""
    code = (
        "import sys; from prefect.flows import load_flow_from_entrypoint as load;"
        "load(sys.argv[1], use_placeholder_flow=False)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, entrypoint], cwd=root, capture_output=True, text=True, check=False, env=os.environ
    )
    return done.returncode == 0


@pytest.mark.parametrize(("entrypoint", "imports", "files"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_a_project_is_sound_where_a_worker_can_load_its_flow(
    project: Callable[..., Path], unique: str, entrypoint: str, imports: str, files: Mapping[str, str]
) -> None:
    """The verdict on each layout is that of Prefect's loader, and a refusal says how to name or import it instead."""
    path = entrypoint.partition(":")[0] if ".py" in entrypoint else "shopy/flows/up.py"
    packages = {
        f"{folder}/__init__.py": ""
        for folder in ("shopy", "shopy/flows", "src/shopy", "src/shopy/flows")
        if "shopy" in path
    }
    written = {**packages, **files, path: FLOW.format(imports=imports)}
    root = project(**{"meta_prefect.yaml": FILE.format(entrypoint=entrypoint), **written})
    works = loads_on_a_worker(root, entrypoint)

    if works:
        assert [one.deployment for one in validate([str(root)]).outcomes] == [f"{unique}/loaded-dev"]
        return
    with pytest.raises(ValidationFailed) as failed:
        validate([str(root)])
    assert f"a worker cannot load '{entrypoint}'" in str(failed.value)
    assert "(`from " in str(failed.value)


def test_a_module_entrypoint_is_stored_as_it_is_written_and_runs(
    server: Api, project: Callable[..., Path], unique: str
) -> None:
    """A flow that imports from the package above runs on a worker where the project file names its module."""
    root = project(
        **{
            "meta_prefect.yaml": FILE.format(entrypoint="shopy.flows.up.up"),
            "shopy/__init__.py": "",
            "shopy/flows/__init__.py": "",
            "shopy/util.py": VALUE,
            "shopy/flows/up.py": FLOW.format(imports="from ..util import VALUE"),
        }
    )
    deploy([str(root)])
    deployment = server.deployment(f"{unique}/loaded-dev")
    state, logs = run_deployment(server, deployment, x=2)

    assert deployment["entrypoint"] == "shopy.flows.up.up"
    assert (state["type"], logs) == ("COMPLETED", logs)
