"""What a plan looks like in a terminal; a picture of it is in the README."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from apart import FLOW, KEPT, run_apart
from support import Api
from terminal import as_svg, screen, without_style

pytestmark = pytest.mark.browser

COLUMNS = 80
MARKS = ("\x1b[32m+ ", "\x1b[33m~ ", "\x1b[31m- ", "\x1b[2m= ")
ENTRY = """\
    - recipe: local_run_deployer
      variables: {{name: {name}, schedule: {{rrule: "{rule}", timezone: Europe/Berlin}}, holidays: DE-BE}}
"""
BEFORE = {"early": "FREQ=DAILY;BYHOUR=5", "nightly": "FREQ=DAILY;BYHOUR=3", "weekly": "FREQ=WEEKLY;BYDAY=MO;BYHOUR=7"}
AFTER = {"early": "FREQ=DAILY;BYHOUR=5", "nightly": "FREQ=DAILY;BYHOUR=4", "twice": "FREQ=DAILY;BYHOUR=8,16"}


@pytest.fixture(scope="module")
def shop(server: Api, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of which one deployment is to come, one to change and one to go."""
    name = "shop" if KEPT else f"shop-{uuid.uuid4().hex[:6]}"
    root = Path("/tmp/shop") if KEPT else tmp_path_factory.mktemp("shop")  # noqa: S108 - it stands in the picture
    root.mkdir(exist_ok=True)
    (root / "flow.py").write_text(FLOW.format(name=name))

    def write(schedules: dict[str, str]) -> None:
        entries = [ENTRY.format(name=one, rule=f"{rule};BYMINUTE=0") for one, rule in schedules.items()]
        (root / "meta_prefect.yaml").write_text("".join([f"project: {name}\ndeployments:\n  {name}:\n", *entries]))

    write(BEFORE)
    run_apart("deploy", str(root))
    write(AFTER)
    return root


def test_a_plan_in_a_terminal(page: Any, shop: Path, pictures: Path) -> None:
    """Each mark has its colour, and no line is wider than the terminal."""
    code, shown = screen("plan", "--prune", columns=COLUMNS, cwd=shop)

    assert code == 2, shown
    assert [mark for mark in MARKS if mark not in shown] == []
    assert max(map(len, without_style(shown).splitlines())) <= COLUMNS

    page.set_viewport_size({"width": 1000, "height": 700})
    page.set_content(as_svg(shown, COLUMNS, "meta-prefect plan --prune"))
    page.locator("svg").screenshot(path=pictures / "plan.png")
