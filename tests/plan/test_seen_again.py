"""A planned deployment that is looked at once more before it is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from server_answer import stored, stored_again
from values import a_deployment, a_draft

from meta_prefect.engine.compare import PlannedDeployment
from meta_prefect.plan.changes import Create, Unchanged, Update
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.plan.diff import diff_deployment

NAME = "add/nightly-dev"
WANTED = a_deployment(description="New.")
THERE = stored(a_deployment())
OLD = replace(THERE, id="0", name="old-dev")


def planned(live: LiveDeployment | None, old: LiveDeployment | None = None, **flags: Any) -> PlannedDeployment:
    """The plan of a deployment that is to have a new description."""
    return PlannedDeployment(a_draft(), live, diff_deployment(WANTED, live, old), old, **flags)


def written(plan: PlannedDeployment) -> LiveDeployment:
    """The deployment once the plan is done."""
    return stored_again(getattr(plan.change, "after", {}))


CREATE, UPDATE, SAME = planned(None), planned(THERE), planned(stored(WANTED))
RENAME = planned(None, OLD)
PAUSED = stored(a_deployment(), paused=True)
OLD_PAUSED = replace(PAUSED, id="0", name="old-dev")


@pytest.mark.parametrize(
    ("plan", "live", "kind", "has_moved"),
    [
        pytest.param(CREATE, [], Create, False, id="still missing"),
        pytest.param(CREATE, [written(CREATE)], Unchanged, False, id="created by an earlier attempt"),
        pytest.param(CREATE, [PAUSED], Create, True, id="created by somebody else"),
        pytest.param(UPDATE, [THERE], Update, False, id="still as it was"),
        pytest.param(UPDATE, [written(UPDATE)], Unchanged, False, id="updated by an earlier attempt"),
        pytest.param(UPDATE, [PAUSED], Update, True, id="changed by somebody"),
        pytest.param(UPDATE, [], Update, True, id="deleted by somebody"),
        pytest.param(SAME, [stored(WANTED)], Unchanged, False, id="still as wanted"),
        pytest.param(SAME, [PAUSED], Unchanged, True, id="as wanted, and changed since"),
        pytest.param(RENAME, [OLD], Create, False, id="still under its old name"),
        pytest.param(RENAME, [OLD_PAUSED], Create, True, id="the old one is changed by somebody"),
        pytest.param(RENAME, [], Create, True, id="the old one is deleted by somebody"),
        pytest.param(RENAME, [written(RENAME)], Unchanged, False, id="renamed by an earlier attempt"),
    ],
)
def test_what_is_found_decides_what_is_done(
    plan: PlannedDeployment, live: list[LiveDeployment], kind: type, has_moved: bool
) -> None:
    """As the plan saw it, it is written; as planned already, it is done; anything else has moved."""
    again = plan.seen_again({one.full_name: one for one in live})

    assert (type(again.change), again.has_moved) == (kind, has_moved)


def test_the_present_one_is_written_to() -> None:
    """One that was deleted and made again just as it was has another id, and that one counts."""
    again = UPDATE.seen_again({NAME: replace(THERE, id="another")})

    assert again.live is not None
    assert again.live.id == "another"


@pytest.mark.parametrize(
    ("plan", "live", "unsettled"),
    [
        pytest.param(CREATE, written(CREATE), True, id="written by an earlier attempt"),
        pytest.param(planned(stored(WANTED), unsettled=True), stored(WANTED), True, id="known to be open"),
        pytest.param(SAME, stored(WANTED), False, id="not touched at all"),
    ],
)
def test_builders_act_where_nobody_knows_whether_they_have(
    plan: PlannedDeployment, live: LiveDeployment, unsettled: bool
) -> None:
    """What an earlier attempt has written may lack what its builders do afterwards."""
    assert plan.seen_again({NAME: live}).unsettled is unsettled
