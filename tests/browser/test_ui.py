"""The deployer, operated by somebody who never opens a terminal, in Prefect's present and former UI."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from support import Api, wait_until

pytestmark = pytest.mark.browser

LONG = "region-with-a-name-that-is-rather-long-as-names-go"

WIDEST = """() => {
    const table = document.querySelector("table")
    let edge = document.documentElement.clientWidth
    for (let box = table.parentElement; box; box = box.parentElement)
        if (getComputedStyle(box).overflowX != "visible") edge = Math.min(edge, box.getBoundingClientRect().right)
    return Math.max(table.getBoundingClientRect().right - edge, table.scrollWidth - table.clientWidth)
}"""
"""By how many pixels the table is wider than what holds it; half a pixel is rounding."""

UIS = pytest.mark.parametrize("ui", ["/v2", ""], ids=["v2", "v1"])


def open_form(page: Any, server: Api, ui: str, deployment: str) -> None:
    found = server.deployment(deployment)
    page.goto(f"{server.ui_url}{ui}/deployments/deployment/{found['id']}/run")
    page.get_by_role("button", name="Submit").wait_for()
    page.get_by_text("Environment (Optional)", exact=True).wait_for()


def choose_environment(page: Any, ui: str, wanted: str) -> None:
    """Choose an environment in the form."""
    if ui == "/v2":
        page.get_by_label("Select Environment").click()
    else:
        page.locator("button.p-select-button__control").first.press("ArrowDown")
    page.get_by_role("option", name=wanted).click()


def choose_flow(page: Any, ui: str, wanted: str) -> None:
    """Choose a flow among those that the form offers."""
    if ui == "/v2":
        page.get_by_text("Select", exact=True).first.click()
    else:
        page.locator("button.p-select-button__control").nth(1).press("ArrowDown")
    page.get_by_role("option", name=wanted).first.click()
    page.get_by_text("Parameters", exact=True).click()  # elsewhere, which closes the list


def submit(page: Any, server: Api) -> Any:
    """Submit the form; returns the run once it has ended."""

    def submitted() -> Any:
        with page.expect_response("**/create_flow_run") as answer:
            page.get_by_role("button", name="Submit").click()
        # On SQLite a server may answer 503 for a moment; whoever sits there clicks again.
        return None if answer.value.status == HTTPStatus.SERVICE_UNAVAILABLE else answer.value

    answer = wait_until(submitted, what="the form is accepted", seconds=30)
    assert answer.status == HTTPStatus.CREATED, answer.text()
    run_id = answer.json()["id"]

    def ended() -> Any:
        run = server.get(f"/flow_runs/{run_id}")
        return run if run["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED") else None

    return wait_until(ended, what="the run ends", seconds=120)


@UIS
def test_deploying_a_project_from_its_form(server: Api, page: Any, deployer: str, pictures: Path, ui: str) -> None:
    """The form says what each field is for; `prod` and a flow are chosen; the run completes; the deployment is live.

    Deployed already, it keeps its counted version: nothing else has changed, and its schedule has runs to lose.
    """
    open_form(page, server, ui, f"deploy-project/{deployer}")
    before = server.deployment(f"{deployer}/nightly-prod")
    for text in (
        "One of the environments that this deployer serves.",
        "Flows or deployments (Optional)",
        "Tags (Optional)",
        "Version (Optional)",
        "Dry run (Optional)",
        "On errors (Optional)",
        "Prune (Optional)",
        "Leave alone what differs in nothing but a version that counts deploys.",
        "Choose",
    ):
        assert page.get_by_text(text).first.is_visible(), text
    assert page.get_by_text('Property is type "None"').count() == 0
    choose_environment(page, ui, "prod")
    choose_flow(page, ui, deployer)
    page.screenshot(path=pictures / f"form-{ui.strip('/') or 'v1'}.png", full_page=True)

    run = submit(page, server)

    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    assert run["name"].startswith(f"deploy {deployer} to prod")
    assert run["parameters"]["names"] == [deployer]
    live = server.deployment(f"{deployer}/nightly-prod")
    assert live["version"] == (before["version"] if before else "1")


def test_what_a_run_shows(server: Api, page: Any, deployer: str, pictures: Path) -> None:
    """The run's page shows its name, its graph of steps and its artifacts; the report names the deployment and links to it."""
    open_form(page, server, "/v2", f"deploy-project/{deployer}")
    run = submit(page, server)
    page.goto(f"{server.ui_url}/v2/runs/flow-run/{run['id']}")
    page.get_by_text(f"deploy {deployer} to dev").first.wait_for()
    page.get_by_text("Completed").first.wait_for()
    page.get_by_role("tab", name="Logs").wait_for()
    page.get_by_text(f"Project {deployer}: 1 deployment asked for in dev").first.wait_for()
    page.locator("canvas").wait_for()
    page.screenshot(path=pictures / "run.png", clip={"x": 260, "y": 0, "width": 1020, "height": 515})
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text(f"report-{deployer}-dev").first.wait_for()
    page.get_by_text(f"plan-{deployer}-dev").first.wait_for()

    page.goto(f"{server.ui_url}/v2/artifacts/key/report-{deployer}-dev")
    page.get_by_text(f"Project {deployer} in dev").first.wait_for()
    ours = {"key": {"any_": [f"report-{deployer}-dev"]}}
    (report, *_) = server.post("/artifacts/filter", artifacts=ours, sort="CREATED_DESC")
    page.goto(f"{server.ui_url}/v2/artifacts/artifact/{report['id']}")
    page.get_by_text(f"{deployer}/nightly-dev").first.wait_for()
    page.screenshot(path=pictures / "report.png", full_page=True)


@UIS
def test_pages_fit_and_their_links_stay_in_the_readers_ui(
    server: Api, page: Any, committed: str, pictures: Path, ui: str
) -> None:
    """At 900 pixels a report and a history need no scrolling sideways; a deployment's link opens it in the same UI."""
    page.set_viewport_size({"width": 900, "height": 1000})
    for key in (f"history-{committed}-{committed}-{LONG}-dev", f"report-{committed}-dev"):
        (found, *_) = server.post("/artifacts/filter", artifacts={"key": {"any_": [key]}}, sort="CREATED_DESC")
        page.goto(f"{server.ui_url}{ui}/artifacts/artifact/{found['id']}")
        table = page.locator("table").first
        table.wait_for()
        page.screenshot(path=pictures / f"{key.partition('-')[0]}-{ui.strip('/') or 'v1'}-900.png")
        assert page.evaluate(WIDEST) < 1, key
        assert re.search(r"\b[0-9a-f]{7}\b", page.locator("body").inner_text())
        assert not re.search(r"[0-9a-f]{40}", table.inner_text())

    # The former UI opens links in another window.
    address = page.get_by_role("link", name=f"{committed}/").first.evaluate("link => link.href")

    assert address.startswith(f"{server.ui_url}{ui}/deployments/deployment/")
    page.goto(address)
    page.get_by_text(f"{LONG}-dev").first.wait_for()


def test_what_is_for_machines_leads_with_words(server: Api, page: Any, committed: str) -> None:
    """A page of the ledger begins with a sentence, and links to the run whose report is to be read."""
    key = f"ledger-{committed}-dev-decorated-flow-deployer"
    (found, *_) = server.post("/artifacts/filter", artifacts={"key": {"any_": [key]}}, sort="CREATED_DESC")
    page.goto(f"{server.ui_url}/v2/artifacts/artifact/{found['id']}")
    page.get_by_text("To read, there is the report of").wait_for()
    page.get_by_role("link", name="its run").click()
    page.wait_for_url(f"{server.ui_url}/v2/runs/flow-run/{found['flow_run_id']}*")


@UIS
def test_the_list_of_automations_says_what_they_do(server: Api, page: Any, deployer: str, ui: str) -> None:
    """An automation tells in words what sets it off and what follows, where its trigger is only called custom."""
    page.goto(f"{server.ui_url}{ui}/automations")
    page.get_by_text(f"check-drift-{deployer}: when deployments in dev, prod change").first.wait_for()
    page.get_by_text(f"check-drift/{deployer} runs for dev, prod").first.wait_for()


@UIS
def test_a_recipes_form_with_one_deployment(server: Api, page: Any, deployer: str, pictures: Path, ui: str) -> None:
    """A recipe's form takes one deployment field by field, without a line of JSON, and deploys it."""
    name = f"by-form-{ui.strip('/') or 'v1'}"
    open_form(page, server, ui, f"local-run-deployer/{deployer}")
    page.get_by_role("button", name="Add item").first.click()
    page.get_by_text("What the deployment is for").wait_for()
    boxes = page.locator("textarea")
    boxes.nth(0).fill("flow.py:load")
    boxes.nth(1).fill(name)
    page.screenshot(path=pictures / f"recipe-{ui.strip('/') or 'v1'}.png", full_page=True)

    run = submit(page, server)

    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    assert server.deployment(f"{deployer}/{name}-dev") is not None


def test_a_failure_is_seen_at_first_sight(server: Api, page: Any, deployer: str, pictures: Path) -> None:
    """A selection that matches nothing fails the run; its page says why, and what to write instead."""
    open_form(page, server, "/v2", f"deploy-project/{deployer}")
    page.get_by_role("button", name="Add item").first.click()
    page.locator("textarea").first.fill("no-such-flow")
    run = submit(page, server)

    assert run["state"]["type"] == "FAILED"
    page.goto(f"{server.ui_url}/v2/runs/flow-run/{run['id']}")
    page.get_by_text("nothing in this project matches 'no-such-flow'").first.wait_for()
    assert page.get_by_text("Traceback").count() == 0
    page.screenshot(path=pictures / "failure.png", full_page=True)
    page.get_by_text(f"Known: {deployer}").first.wait_for()
