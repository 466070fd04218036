"""A project that gets another name keeps its deployments, their history and its deployer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api

from deployer_flows import rollback
from meta_prefect.cli import main
from meta_prefect.deploy import deploy
from meta_prefect.errors import ValidationFailed
from meta_prefect.report import Report

CODE = """
    from prefect import flow
    from meta_prefect.implementations.infra import local_process
    from meta_prefect.implementations.metadata import describer, versioneer
    from meta_prefect.implementations.notification import then_run

    @flow(name="UNIQUE")
    def work(n: int = 1) -> int:
        return n

    common = versioneer(strategy='increment') | local_process()
"""
STAYS = "stays = (common | describer(text='DESCRIPTION') | then_run(deployment='UNIQUE/next-dev'))(work)"
NEXT, GOES = "next = common(work)", "goes = (common | then_run(deployment='UNIQUE/next-dev'))(work)"
FILE = "project: UNIQUE-OLD\n"
NEW = "project: UNIQUE\n"
RENAMED = "project: UNIQUE\nrenamed_from: [never-used, UNIQUE-OLD]\n"
Project = Callable[..., Path]


def code(project: Project, file: str, *lines: str) -> Path:
    """A project with some deployments, and its file."""
    old = file.replace("OLD", "old")
    return project(**{"flows.py": CODE + "".join(f"    {line}\n" for line in lines), "meta_prefect.yaml": old})


def actions(report: Report) -> dict[str, str]:
    """What happened to each deployment, by its name."""
    return {one.deployment.partition("/")[2]: one.action for one in report.outcomes}


def owners(server: Api, flow: str) -> dict[str, str]:
    """The project of each deployment of a flow, by its name."""
    return {
        one["name"]: tag.removeprefix("meta-prefect=")
        for one in server.deployments_of(flow)
        for tag in one["tags"]
        if tag.startswith("meta-prefect=")
    }


def automations(server: Api, project: str) -> list[str]:
    """The names of a project's automations."""
    tags = {"all_": [f"meta-prefect={project}"]}
    found: list[dict[str, Any]] = server.post("/automations/filter", automations={"tags": tags})
    return sorted(one["name"] for one in found)


def told(capsys: pytest.CaptureFixture[str], *command: str, code: int = 0) -> str:
    """What a command prints that ends with an exit code."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(command)
    said = capsys.readouterr()
    assert (ended.value.code or 0) == code, said.err
    return said.out + said.err


def test_a_renamed_project_keeps_what_it_has(
    server: Api, project: Project, unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its former name in the file it takes over deployments and automations, prunes, and goes back in its history."""
    old, name, other = f"{unique}-old", f"{unique}/stays-dev", f"{unique}/next-dev"
    first, second = (STAYS.replace("DESCRIPTION", text) for text in ("first", "second"))
    deploy([str(code(project, FILE, first, NEXT, GOES))])
    was, watched = server.deployment(name), automations(server, old)
    with pytest.raises(ValidationFailed, match=f"`renamed_from: {old}` if this project had it before"):
        deploy([str(code(project, NEW, second, NEXT))])

    root = code(project, RENAMED, second, NEXT)
    told(capsys, "hold", other, "--because", "it is the project's own", "--path", str(root))
    told(capsys, "release", other, "--path", str(root))
    status = told(capsys, "status", str(root), code=2)
    planned = told(capsys, "plan", str(root), code=2)
    done = deploy([str(root)], prune=True)

    assert "orphan" in status
    assert "not deployed" not in status
    taken = f"taken over from the project '{old}': {other}, {name}"
    assert planned.count(taken) == 1, planned
    assert taken in done.remarks
    assert not any("may be removed" in remark for remark in done.remarks)
    assert actions(done) == {"stays-dev": "updated", "next-dev": "updated", "goes-dev": "deleted"}
    assert owners(server, unique) == {"stays-dev": unique, "next-dev": unique}
    assert len(watched) == 2
    assert automations(server, old) == []
    assert automations(server, unique) == [one for one in watched if "stays" in one]

    # Afterwards nothing is left to do, with the key or without it.
    for file in (RENAMED, NEW):
        again = deploy([str(code(project, file, second, NEXT))], only_changed=True)
        assert any("`renamed_from` may be removed" in remark for remark in again.remarks) is (file == RENAMED)
        assert actions(again) == {"stays-dev": "unchanged", "next-dev": "unchanged"}
        assert not any("taken over" in remark for remark in again.remarks)

    root = code(project, RENAMED, second, NEXT)
    printed = told(capsys, "history", name, "--path", str(root), "--output", "json")
    history = json.loads(printed[: printed.rindex("]") + 1])
    assert [(one["project"], one["version"], one["counts"]) for one in history] == [
        (unique, "2", True),
        (old, "1", True),
    ]
    asyncio.run(rollback(deployment=name, to="1", path=str(root)))
    back = server.deployment(name)
    assert (back["id"], back["version"], back["description"]) == (was["id"], "1", "first")
    assert sorted(back["tags"]) == ["env=dev", f"meta-prefect={unique}"]


def test_a_renamed_project_s_deployer_takes_the_place_of_the_old_one(
    server: Api, project: Project, unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bootstrapping under the new name makes the new deployer and removes the old one; a dry run says so."""
    old = f"{unique}-old"
    options = ["--check", "0 5 * * *", "--watch"]
    told(capsys, "bootstrap", str(code(project, FILE, STAYS)), *options)
    (check,) = [one for one in server.deployments_of("check-drift") if one["name"] == old]
    server.patch(f"/deployments/{check['id']}", paused=True)
    root = code(project, RENAMED, STAYS)

    asked = told(capsys, "deploy", str(root), "--remote", "--env", "nowhere", code=1)
    planned = told(capsys, "bootstrap", str(root), *options, "--dry-run", code=2)
    between = owners(server, "check-drift").get(old)
    done = told(capsys, "bootstrap", str(root), *options)

    assert f"the deployer of '{old}' is replaced by this one, with its automations" in planned
    assert f"the deployer of {old} does not deploy to 'nowhere'" in asked, "until then it is the project's own"
    assert f"takes the place of check-drift/{old}, which is deleted" in planned
    assert between == f"{old}-deployer"
    assert f"the deployer of '{old}' is replaced by this one, with its automations" in done
    for flow in ("deploy-project", "check-drift", "prune", "rollback", "hold"):
        owned = owners(server, flow)
        assert (owned.get(unique), owned.get(old)) == (f"{unique}-deployer", None)
    assert server.deployment(f"check-drift/{unique}")["paused"] is True, "what operators have set stays"
    assert automations(server, f"{old}-deployer") == []
    assert len(automations(server, f"{unique}-deployer")) == 1
    again = told(capsys, "bootstrap", str(root), *options)
    assert "replaced" not in again
    assert "unchanged" in again
    told(capsys, "bootstrap", str(root), "--remove")
