"""Who a ledger names as the one who deployed."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import psutil
import pytest
from fakes import FakeApi

from meta_prefect.state.ledger import who_runs

BY_A_SCHEDULE = {"id": "s", "type": "SCHEDULE", "display_value": "nightly"}
OURSELVES = f"{psutil.Process().username()}@{socket.gethostname()}"


@pytest.mark.parametrize(
    ("objects", "who"),
    [
        pytest.param({"/flow_runs/r": {"created_by": BY_A_SCHEDULE}}, "nightly (schedule)", id="made the run"),
        pytest.param(
            {
                "/flow_runs/r": {"created_by": None, "parent_task_run_id": "t"},
                "/task_runs/t": {"flow_run_id": "outer"},
                "/flow_runs/outer": {"created_by": {**BY_A_SCHEDULE, "type": "USER", "display_value": "ada"}},
            },
            "ada (user)",
            id="made the run around it",
        ),
        pytest.param({"/flow_runs/r": {"created_by": None, "parent_task_run_id": None}}, OURSELVES, id="a command"),
        pytest.param({}, OURSELVES, id="a run that is gone"),
    ],
)
def test_who_is_behind_a_run(objects: dict[str, Any], who: str) -> None:
    """Whoever made the run, or one that it is part of; where Prefect knows nobody, the user and host of this process."""
    api = FakeApi()
    api.objects.update(objects)

    assert asyncio.run(who_runs("r", api)) == who
