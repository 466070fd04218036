"""What a plan finds to do."""

from __future__ import annotations

from pathlib import Path

from meta_prefect.deploy import deploy

_NOTHING = {"unchanged", "next version"}


def left_to_do(root: Path) -> list[str]:
    """What a plan finds to do besides counting on."""
    plan = deploy([str(root)], dry_run=True).plan
    assert plan is not None
    return [str(change) for change in plan.changes if change.action not in _NOTHING]
