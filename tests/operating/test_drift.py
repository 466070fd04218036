"""Looking for drift: reporting, failing, healing, and never healing what is healed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deployer_projects import FILE, FLOW, RECIPES
from support import Api, wait_until

from deployer_flows import check_drift, prune
from deployer_flows.checking_drift import Policy
from meta_prefect.deploy import deploy
from meta_prefect.errors import DriftFound
from meta_prefect.plan.status import ProjectStatus
from meta_prefect.state.heal_log import MOST_HEALS


@pytest.fixture
def deployed(server: Api, folder_project: Path) -> Path:
    """A project whose one deployment is live in prod."""
    deploy([str(folder_project)], env="prod")
    return folder_project


def check(root: Path, policy: Policy = "report") -> ProjectStatus:
    return asyncio.run(check_drift(path=str(root), environment="prod", policy=policy))


def drift(server: Api, unique: str, description: str = "changed by hand") -> Any:
    live = server.deployment(f"{unique}/nightly-prod")
    server.patch(f"/deployments/{live['id']}", description=description)
    return live


def events(server: Api, name: str, deployment_id: str) -> list[Any]:
    """Events of ours about a deployment, once there are any."""
    condition = {"event": {"name": [name]}, "resource": {"id": [f"prefect.deployment.{deployment_id}"]}}
    return wait_until(
        lambda: server.post("/events/filter", filter=condition, limit=50)["events"], what=f"{name} is there", seconds=30
    )


def test_a_change_by_hand_is_reported(server: Api, deployed: Path, unique: str) -> None:
    """A field that somebody changed is named in the run's page and in an event that tells project and environment."""
    live = drift(server, unique)

    found = check(deployed)

    (one,) = found.deployments
    assert (one.state, [field.path for field in one.drift]) == ("drifted", ["description"])
    page = server.get(f"/artifacts/drift-{unique}-prod/latest")
    assert "changed by hand" in page["data"]
    (event,) = events(server, "meta-prefect.deployment.drifted", live["id"])
    assert event["payload"]["fields"] == ["description"]
    related = {(one.get("prefect.resource.role"), one["prefect.resource.id"]) for one in event["related"]}
    assert ("project", f"meta-prefect.project.{unique}") in related
    assert server.deployment(f"{unique}/nightly-prod")["description"] == "changed by hand"


def test_drift_can_fail_the_run(server: Api, deployed: Path, unique: str) -> None:
    """Under the policy `fail` the run fails with the deployment's name and what to do; in sync it completes."""
    assert check(deployed, "fail").in_sync
    drift(server, unique)

    with pytest.raises(DriftFound, match=f"1 of 1 deployment has drifted: {unique}/nightly-prod"):
        check(deployed, "fail")


def test_drift_is_healed_once(server: Api, deployed: Path, unique: str) -> None:
    """Healing sets right what was changed or deleted, counts no version, and writes nothing the next time."""
    before = drift(server, unique)

    check(deployed, "heal")

    healed = server.deployment(f"{unique}/nightly-prod")
    assert (healed["description"], healed["version"]) == (before["description"], before["version"])
    events(server, "meta-prefect.deployment.healed", before["id"])
    assert check(deployed, "heal").in_sync
    assert server.deployment(f"{unique}/nightly-prod")["updated"] == healed["updated"]
    server.delete(f"/deployments/{before['id']}")
    check(deployed, "heal")
    assert server.deployment(f"{unique}/nightly-prod")["description"] == before["description"]


def test_two_who_disagree_do_not_undo_each_other_for_ever(
    server: Api, deployed: Path, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment that is changed after each heal is given up, and the run says so, however far apart the heals are."""
    monkeypatch.setattr("meta_prefect.plan.provenance.SLACK", timedelta(0))
    for number in range(MOST_HEALS):
        drift(server, unique, f"change {number}")
        check(deployed, "heal")
    drift(server, unique, "once more")

    with pytest.raises(DriftFound, match="changed again and again"):
        check(deployed, "heal")

    assert server.deployment(f"{unique}/nightly-prod")["description"] == "once more"


def test_what_is_not_deployed_yet_is_no_drift(
    server: Api, deployed: Path, project: Callable[..., Path], unique: str
) -> None:
    """A change of the project that nobody has deployed fails no check, and healing does not deploy it."""
    before = server.deployment(f"{unique}/nightly-prod")
    flow = FLOW.replace("'''Work.'''", "'''Work harder.'''")
    project(**{"flow.py": flow, "meta_prefect.yaml": FILE, "recipes.py": RECIPES})

    found = check(deployed, "heal")

    assert [one.state for one in found.deployments] == ["outdated"]
    assert server.deployment(f"{unique}/nightly-prod")["updated"] == before["updated"]


def test_pruning_alone(server: Api, deployed: Path, unique: str) -> None:
    """Pruning says what is no longer in the project, and deletes it when it is told to; it deploys nothing."""
    file = deployed / "meta_prefect.yaml"
    file.write_text(file.read_text().replace("name: nightly", "name: weekly"))

    foreseen = asyncio.run(prune(path=str(deployed), environment="prod"))

    assert [(one.deployment, one.action) for one in foreseen.outcomes] == [(f"{unique}/nightly-prod", "to delete")]
    assert server.deployment(f"{unique}/nightly-prod") is not None
    done = asyncio.run(prune(path=str(deployed), environment="prod", dry_run=False))
    assert [one.action for one in done.outcomes] == ["deleted"]
    assert server.deployments_of(unique) == []
