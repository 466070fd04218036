"""What the property tests say when they fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# days off are forgotten: nothing is left out. The first failure is enough here, and is not to be remembered
PLANTED_BUG = """
from hypothesis import Phase, settings
from meta_prefect.schedules.days_off import DaysOff

DaysOff.reasons = lambda self, first, last: {}
settings.register_profile("first-failure", phases=(Phase.generate,), database=None)
settings.load_profile("first-failure")
"""


def run_with_the_bug(folder: Path, **variables: str) -> str:
    """What pytest prints of the property test, with the bug in the code."""
    (folder / "planted_bug.py").write_text(PLANTED_BUG)
    env = {name: value for name, value in os.environ.items() if not name.startswith("META_PREFECT_TEST_")}
    path = os.pathsep.join([str(folder), env.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    test = (
        f"{HERE / 'test_schedule_property.py'}::test_what_prefect_evaluates_is_the_plain_expansion_without_the_days_off"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "planted_bug", test]
    done = subprocess.run(
        command,
        cwd=HERE.parents[1],
        env={**env, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    return done.stdout


def counter_example(printed: str) -> str:
    """The arguments with which the test failed, as hypothesis prints them."""
    # the words before the name differ between its versions
    found = re.search(r": test_\w+\($(?P<arguments>.*?)^E?\s*\)$", printed, re.DOTALL | re.MULTILINE)
    assert found is not None, printed
    return found["arguments"]


def test_a_failure_prints_its_seed_and_a_counter_example_that_the_seed_brings_back(tmp_path: Path) -> None:
    """With a bug planted, the rule, zone, calendar, moment and stored text are told, and the seed printed repeats them."""
    printed = run_with_the_bug(tmp_path)
    told = counter_example(printed)
    (seed,) = set(re.findall(r"seed (\d+)", printed))

    assert [name for name in ("text", "zone", "calendar", "now", "on_holiday") if f"{name}=" not in told] == []
    assert "stored: " in printed
    assert counter_example(run_with_the_bug(tmp_path, META_PREFECT_TEST_SEED=seed)) == told
