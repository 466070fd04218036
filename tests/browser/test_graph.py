"""The graph of a deploy of a hundred: what an eye can follow."""

from __future__ import annotations

import base64
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support import LOCAL_RUN_STEPS, Api, wait_until

pytestmark = pytest.mark.browser

COUNT = 100

COMPONENTS = re.compile(r"(ensure|wait for) (work pool|worker) .+")
"""What they need, once however many need it."""


GREEN = """async (picture) => {
    const image = new Image()
    image.src = "data:image/png;base64," + picture
    await image.decode()
    const canvas = new OffscreenCanvas(image.width, image.height)
    const context = canvas.getContext("2d")
    context.drawImage(image, 0, 0)
    const points = context.getImageData(0, 0, image.width, image.height).data
    let green = 0
    for (let at = 0; at < points.length; at += 4)
        green += points[at] < 90 && points[at + 1] > 120 && points[at + 2] < 120
    return green
}"""
"""Counts green points of a picture; the graph is drawn by WebGL, of which nothing else can be asked."""


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


def green_of(page: Any) -> int:
    """How many points of the drawn graph have the green of what is completed."""
    picture = base64.b64encode(page.locator("canvas").screenshot()).decode()
    return page.evaluate(GREEN, picture)


def test_the_graph_of_a_deploy_shows_one_node_a_recipe(server: Api, hundred: str) -> None:
    """However many deployments there are, each builder is one node for all of them, in its order, and so is the recipe's run."""
    _, labels = graph(server, f"deploy {hundred} to dev", len(LOCAL_RUN_STEPS) + 3)
    recipe = f"local-run-deployer / local_run_deployer to dev: {COUNT}"
    assert labels == ["read project", *LOCAL_RUN_STEPS, "plan", recipe]


def test_the_graph_of_a_recipe_is_what_is_needed_and_then_the_deployments(
    server: Api, page: Any, hundred: str, pictures: Path
) -> None:
    """What all of them need comes first; then each deployment is one node, which bears its name."""
    run, labels = graph(server, f"local_run_deployer to dev: {COUNT}", COUNT + 1)

    applied = [f"apply {hundred}/nightly-{number:03}-dev" for number in range(COUNT)]
    assert Counter(labels).most_common(1)[0][1] == 1, "no two nodes are called alike"
    assert labels[0] == "compare with the plan"
    assert sorted(label for label in labels if label.startswith("apply ")) == applied
    needed = set(labels[1:]) - {*applied}
    assert len(needed) <= 4
    assert all(COMPONENTS.fullmatch(label) for label in needed), needed
    page.goto(f"{server.ui_url}/v2/runs/flow-run/{run['id']}")
    page.get_by_text(f"{len(labels)} Task runs").wait_for()
    wait_until(lambda: green_of(page) > len(labels), what="the nodes are drawn", seconds=60)
    page.screenshot(path=pictures / "graph.png")
