"""The graph of a deploy of a hundred: what an eye can follow."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support import Api, wait_until

pytestmark = pytest.mark.browser

COUNT = 100

STEPS = (
    "name",
    "describe",
    "resolve tags",
    "resolve version",
    "run as a local process",
    "skip holidays",
    "compare with the server",
)
"""What the recipe's builders do, each over all the deployments."""

COMPONENTS = re.compile(r"(ensure|wait for) (work pool|worker) .+")
"""What they need, once however many need it."""


def graph(server: Api, name: str, size: int) -> tuple[Any, list[str]]:
    """The run of that name, and what the nodes of its graph are called, from left to right, once it has so many."""
    (run,) = server.post("/flow_runs/filter", flow_runs={"name": {"any_": [name]}}, sort="START_TIME_DESC", limit=1)

    def labels() -> list[str] | None:
        nodes = [node for _, node in server.get(f"/flow_runs/{run['id']}/graph-v2")["nodes"]]
        return (
            [node["label"] for node in sorted(nodes, key=lambda node: node["start_time"])]
            if len(nodes) >= size
            else None
        )

    return run, wait_until(labels, what="the graph is complete", seconds=30)


def test_the_graph_of_a_deploy_shows_one_node_a_recipe(server: Api, hundred: str) -> None:
    """However many deployments there are, the deploy's own graph is three nodes, which say what they did and with how many."""
    _, labels = graph(server, f"deploy {hundred} to dev", 3)
    assert labels == ["read project", "plan", f"local-run-deployer / local_run_deployer to dev: {COUNT}"]


def test_the_graph_of_a_recipe_is_its_steps_and_then_the_deployments(
    server: Api, page: Any, hundred: str, pictures: Path
) -> None:
    """Each builder is one node for all deployments, in its order; then each deployment is one node, which bears its name."""
    run, labels = graph(server, f"local_run_deployer to dev: {COUNT}", COUNT + len(STEPS))

    applied = [f"apply {hundred}/nightly-{number:03}-dev" for number in range(COUNT)]
    assert Counter(labels).most_common(1)[0][1] == 1, "no two nodes are called alike"
    assert tuple(labels[: len(STEPS)]) == STEPS
    assert sorted(label for label in labels if label.startswith("apply ")) == applied
    needed = set(labels) - {*STEPS, *applied}
    assert len(needed) <= 4
    assert all(COMPONENTS.fullmatch(label) for label in needed), needed
    page.goto(f"{server.ui_url}/v2/runs/flow-run/{run['id']}")
    page.get_by_text(f"{len(labels)} Task runs").wait_for()
    page.locator("canvas").wait_for()
    page.screenshot(path=pictures / "graph.png")
