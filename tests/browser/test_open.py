"""`meta-prefect open`: the owner's browser comes up signed in, and nobody else's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

UIS = pytest.mark.parametrize("ui", ["v2", "v1"])
Run = Callable[..., str]
START = "from meta_prefect.local.server import ensure_server; print(ensure_server().ui_url)"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Generator[Run]:
    """Run Python with a PREFECT_HOME of its own, whose server is stopped at the end."""
    home = tmp_path_factory.mktemp("open") / "home"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(home)}

    def run(*arguments: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=200,
            check=True,
        )
        return done.stdout.strip()

    yield run
    run("-m", "meta_prefect.cli", "server", "stop")


@pytest.fixture(scope="module")
def address(run: Run) -> str:
    """Where the server's UI is, as a first deploy starts it."""
    return run("-c", START)


def prefer(page: Any, address: str, ui: str) -> None:
    """Choose one of Prefect's two UIs, as its own switch does."""
    page.context.add_cookies([{"name": "prefect_ui_version", "value": ui, "url": address}])


def is_signed_in(page: Any, address: str, ui: str) -> None:
    """The page that is shown is the UI's, its requests are answered, and nothing asks for a password."""
    page.wait_for_url(f"{address}/v2/**" if ui == "v2" else f"{address}/dashboard**")
    page.get_by_text("Dashboard").first.wait_for()
    page.goto(f"{address}/{'v2/' if ui == 'v2' else ''}work-pools")
    page.get_by_text("Add a work pool" if ui == "v2" else "Create a work pool to get started").first.wait_for()
    assert "login" not in page.url


@UIS
def test_the_link_signs_a_browser_in_once(run: Run, page: Any, address: str, chromium: Any, ui: str) -> None:
    """The link that is printed leads to the UI, signed in; the address keeps no ticket; a second browser is not let in."""
    link = run("-m", "meta_prefect.cli", "open", "--print")
    prefer(page, address, ui)
    refused: list[Any] = []

    def look(answer: Any) -> None:
        if answer.status == HTTPStatus.UNAUTHORIZED:
            refused.append(answer)

    page.on("response", look)

    page.goto(link)

    is_signed_in(page, address, ui)
    assert refused == []
    kept = page.evaluate("localStorage.getItem('prefect-password')")
    assert kept
    assert not [cookie for cookie in page.context.cookies(address) if kept in cookie["value"]]
    other = chromium.new_context().new_page()
    other.goto(link)
    other.get_by_text("This link has been used, or is too old. Type: meta-prefect open").wait_for()
    assert other.evaluate("localStorage.getItem('prefect-password')") is None
    assert "#" not in other.url
    other.context.close()


def test_a_link_to_a_page_leads_there_and_nowhere_else(run: Run, page: Any, address: str) -> None:
    """The page of the UI that the link names; of another host's address only the path counts."""
    prefer(page, address, "v2")
    page.goto(run("-m", "meta_prefect.cli", "open", "--print") + "@//elsewhere.example/work-pools")
    page.wait_for_url(re.compile(re.escape(address) + "/(v2/)?work-pools.*"))


@UIS
def test_without_the_link_there_is_a_sign_in_form(page: Any, address: str, ui: str) -> None:
    """A browser that was not let in is asked for a password, in both UIs."""
    prefer(page, address, ui)
    page.goto(address)
    page.locator("input[type=password]").wait_for()


def test_the_file_that_a_browser_is_given_leads_to_the_ui(run: Run, page: Any, address: str, tmp_path: Path) -> None:
    """The browser opens a file of ours, which leads it to the UI, signed in."""
    given = tmp_path / "given"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {given}\n')
    browser.chmod(0o755)
    run("-m", "meta_prefect.cli", "open", BROWSER=f"{browser} %s")
    prefer(page, address, "v2")

    page.goto(given.read_text().strip())

    is_signed_in(page, address, "v2")
