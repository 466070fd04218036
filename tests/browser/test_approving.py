"""A change's way to production, as somebody sees it who never opens a terminal: asked, answered and followed in the UI."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from apart import FLOW, KEPT, run_apart
from production import git, record, waiting
from support import Api

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

FILE = """\
project: NAME
environments:
  dev: {smoke: {timeout: 5m}, defaults: {active: true}}
  prod:
    api_url: PROD
    branches: [main]
    clean: true
    approval: {by: data-platform, within: 30m}
    smoke: {parameters: {rows: 1}, timeout: 5m}
    defaults: {active: true}
deployments:
  NAME:
    - recipe: local_run_deployer
      variables: {name: nightly, parameters: {rows: ROWS}, schedule: {cron: "0 9 * * *"}, holidays: false}
"""


def smoke_runs(server: Api, project: str) -> list[tuple[str, Any]]:
    """How the smoke runs of a project's flow ended, and with which parameters, the first one first."""
    condition = {"flows": {"name": {"any_": [project]}}, "flow_runs": {"tags": {"all_": ["meta-prefect-smoke"]}}}
    runs = server.post("/flow_runs/filter", **condition, sort="START_TIME_ASC")
    return [(one["state"]["type"], one["parameters"]) for one in runs]


def resume(page: Any, ui: str) -> None:
    """Open the form of a run that waits."""
    if ui == "/v2":
        page.get_by_role("button", name="Open menu").click()
        page.get_by_role("menuitem", name="Resume").click()
    else:
        page.get_by_role("button", name="Resume").click()


def answer(page: Any, ui: str, decision: str, *texts: str) -> None:
    """Fill in the form: what is chosen, then a name and a comment."""
    if ui == "/v2":
        page.get_by_label("Select Decision").click()
    else:
        page.locator("button.p-select-button__control").last.press("ArrowDown")
    page.get_by_role("option", name=decision).click()
    for number, text in enumerate(texts):
        page.locator("textarea").nth(number).fill(text)


@pytest.fixture
def started() -> Generator[Callable[..., subprocess.Popen[str]]]:
    """Start `meta-prefect` with what follows; a test that fails leaves none waiting."""
    with ExitStack() as processes:

        def start(*arguments: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "meta_prefect.cli", *arguments]
            made = processes.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            )
            processes.callback(made.kill)
            return made

        yield start


def test_a_change_is_promoted_by_the_form_of_the_ui(
    server: Api,
    prod_server: Api,
    page: Any,
    started: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    unique: str,
    pictures: Path,
) -> None:
    """Deployed to dev and tried there, promoted, read and approved in each UI, tried in prod, and active on its server alone."""
    name, root = "shop" if KEPT else unique, tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "flow.py").write_text(FLOW.format(name=name))
    live = f"{name}/nightly-prod"
    for ui, rows in (("", 100), ("/v2", 200)):
        text = FILE.replace("NAME", name).replace("PROD", prod_server.url).replace("ROWS", str(rows))
        (root / "meta_prefect.yaml").write_text(text)
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", f"{rows} rows")
        commit = git(root, "rev-parse", "HEAD")
        before = None if prod_server.deployment(live) is None else record(prod_server, live)
        run_apart("deploy", str(root), "--env", "dev")
        promoting = started("promote", str(root), "--from", "dev", "--to", "prod")
        run = waiting(prod_server, name)
        assert before is None or record(prod_server, live) == before

        page.goto(f"{prod_server.ui_url}{ui}/runs/flow-run/{run['id']}")
        page.get_by_text(f"promote {name} from dev to prod @{commit[:7]}").first.wait_for()
        resume(page, ui)
        page.get_by_text(f"commit {commit[:7]}", exact=True).wait_for()
        assert f"parameters.rows: {rows}" in page.locator("pre", has_text=live).last.inner_text()
        answer(page, ui, "approve", "grace", f"{rows} rows, as discussed")
        form = page.get_by_role("dialog") if ui else page
        form.screenshot(path=pictures / f"approval-{ui.strip('/') or 'v1'}.png")
        page.get_by_role("button", name="Resume" if ui else "Submit").last.click()
        said, _ = promoting.communicate(timeout=240)

        assert promoting.returncode == 0, said
        assert f"note: approved by grace: {rows} rows, as discussed" in said
        made = prod_server.deployment(live)
        assert (made["parameters"], [one["active"] for one in made["schedules"]]) == ({"rows": rows}, [True])
        assert server.deployment(live) is None
        page.get_by_text("Completed").first.wait_for()
        page.screenshot(path=pictures / f"promoted-{ui.strip('/') or 'v1'}.png")
    assert smoke_runs(server, name) == [("COMPLETED", {"rows": 100}), ("COMPLETED", {"rows": 200})]
    assert smoke_runs(prod_server, name) == [("COMPLETED", {"rows": 1})] * 2

    of_history = {"key": {"any_": [f"history-{name}"]}}
    (found, *_) = prod_server.post("/artifacts/filter", artifacts=of_history, sort="CREATED_DESC")
    page.goto(f"{prod_server.ui_url}/v2/artifacts/artifact/{found['id']}")
    page.locator("table").wait_for()
    page.locator("table").screenshot(path=pictures / "promotions.png")
    latest = " ".join(page.locator("tbody tr").first.inner_text().split())
    assert f"prod from dev {commit[:7]}" in latest
    assert "grace: 200 rows, as discussed" in latest
