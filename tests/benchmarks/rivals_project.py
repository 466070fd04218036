"""The project that every rival deploys, written in each rival's own way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

POOL = "benchmark"
CRON = "0 9 * * 1-5"
HEAVY = "import numpy\nimport pandas\n"
"""What one of twenty modules imports, as flows do."""

FLOW = '''"""A flow."""

from prefect import flow
{imports}

@flow(name="{flow}")
def work(n: int = 1, text: str = "") -> int:
    """Do something."""
    return n
'''
RECIPE = '''"""The benchmark's recipe: what `prefect.yaml` says beside it, in code."""

from meta_prefect import recipe
from meta_prefect.implementations.metadata import describer, namer, tags_resolver, versioneer
from meta_prefect.implementations.run_settings import parameters
from meta_prefect.implementations.schedule import scheduler
from meta_prefect.interfaces.components import WorkerPool
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface


class in_pool(FlowBuilderInterface):
    requires = (WorkerPool(name="{pool}", type="process"),)

    def update_deployment(self, deployment):
        deployment.work_pool_name = "{pool}"
        step = "prefect.deployments.steps.set_working_directory"
        deployment.pull_steps = [{{step: {{"directory": deployment.flow.source}}}}]
        return deployment


@recipe
def plain(name: str, n: int, cron: str) -> FlowBuilderInterface:
    """Deploy flows.

    Args:
        name: The deployment's name.
        n: A parameter.
        cron: When it runs.
    """
    return (
        namer(name=name, per_environment=False)
        | describer()
        | versioneer(version="1")
        | tags_resolver()
        | in_pool()
        | parameters(values={{"n": n}})
        | scheduler(schedule={{"cron": cron, "timezone": "UTC", "slug": "daily"}}, active=False)
    )
'''
LOOP = '''"""`flow.deploy()` in a loop."""

import importlib

from prefect.schedules import Cron

for module, flow, name, n, cron in {items}:
    importlib.import_module(module).work.from_source(
        source={folder!r}, entrypoint=f"{{module}}.py:work"
    ).deploy(
        name=name,
        work_pool_name="{pool}",
        parameters={{"n": n}},
        tags=["env=dev"],
        version="1",
        schedule=Cron(cron, timezone="UTC", slug="daily", active=False),
        print_next_steps=False,
    )
'''


@dataclass(frozen=True)
class Project:
    """A project on disk.

    Attributes:
        folder: Where it is, for all rivals.
        number: How many deployments it has.
        modules: Over how many modules its flows are spread; with more than one, one of them imports heavy libraries.
    """

    folder: Path
    number: int
    modules: int = 1

    def write(self, *, changed: int = 0) -> None:
        """Write it, with another parameter in so many of the deployments."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for module in range(self.modules):
            heavy = HEAVY if self.modules > 1 and module == 0 else ""
            text = FLOW.format(imports=heavy, flow=f"flow-{module}")
            (self.folder / f"flows{module}.py").write_text(text)
        # An entry of each module in turn; the changed ones are spread over all.
        step = max(1, self.number // changed) if changed else 0
        items = [
            (f"flows{i % self.modules}", f"flow-{i % self.modules}", f"d{i}", 2 if step and i % step == 0 else 1, CRON)
            for i in range(self.number)
        ]
        self._write_ours(items)
        self._write_prefects(items)
        loop = LOOP.format(items=items, folder=str(self.folder), pool=POOL)
        (self.folder / "loop.py").write_text(loop)

    def _write_ours(self, items: list[tuple[str, str, str, int, str]]) -> None:
        entries: dict[str, list[object]] = {}
        for module, flow, name, n, cron in items:
            variables = {"name": name, "n": n, "cron": cron}
            entries.setdefault(flow, []).append(
                {"recipe": "plain", "entrypoint": f"{module}.py:work", "variables": variables}
            )
        document = {"project": "benchmark", "recipes": ["recipes"], "deployments": entries}
        (self.folder / "recipes.py").write_text(RECIPE.format(pool=POOL))
        (self.folder / "meta_prefect.yaml").write_text(yaml.safe_dump(document, sort_keys=False))  # pyright: ignore[reportUnknownMemberType] - partly untyped in the stubs

    def _write_prefects(self, items: list[tuple[str, str, str, int, str]]) -> None:
        step = {"prefect.deployments.steps.set_working_directory": {"directory": str(self.folder)}}
        deployments = [
            {
                "name": name,
                "version": "1",
                "tags": ["env=dev"],
                "entrypoint": f"{module}.py:work",
                "parameters": {"n": n},
                "pull": [step],
                "work_pool": {"name": POOL},
                "schedules": [{"cron": cron, "timezone": "UTC", "slug": "daily", "active": False}],
            }
            for module, _, name, n, cron in items
        ]
        document = {"name": "benchmark", "deployments": deployments}
        (self.folder / "prefect.yaml").write_text(yaml.safe_dump(document, sort_keys=False))  # pyright: ignore[reportUnknownMemberType] - partly untyped in the stubs
