"""`meta-prefect bootstrap`: what it makes, that it makes it once, and how it goes away."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Api

from meta_prefect.cli import main

OPERATIONS = {"deploy-project", "check-drift", "prune", "rollback", "hold"}
RunCli = Callable[..., subprocess.CompletedProcess[str]]


def owned(server: Api, project: str) -> dict[str, Any]:
    """The deployments of a project's deployer, by flow."""
    found = server.post("/deployments/filter", deployments={"tags": {"all_": [f"meta-prefect={project}-deployer"]}})
    ids = [one["flow_id"] for one in found]
    flows: list[dict[str, Any]] = server.post("/flows/filter", flows={"id": {"any_": ids}})
    names = {flow["id"]: flow["name"] for flow in flows}
    return {names[one["flow_id"]]: one for one in found}


def automations(server: Api, project: str) -> list[Any]:
    """The automations of a project's deployer."""
    return server.post("/automations/filter", automations={"tags": {"all_": [f"meta-prefect={project}-deployer"]}})


def test_a_deployer_comes_once_and_goes(server: Api, folder_project: Path, run_cli: RunCli, unique: str) -> None:
    """Bootstrapping makes each flow of the deployer; again, it touches nothing; with --remove, it leaves nothing."""
    options = [str(folder_project), "--redeploy", "0 5 * * *", "--redeploy-in", "prod", "--check", "@hourly", "--watch"]
    first = run_cli("bootstrap", *options)

    assert first.returncode == 0, first.stderr
    made = owned(server, unique)
    assert made.keys() == {*OPERATIONS, "local-run-deployer"}
    assert {one["name"] for one in made.values()} == {unique}
    (redeploy,) = made["deploy-project"]["schedules"]
    assert redeploy["parameters"] == {"environment": "prod", "only_changed": True, "on_error": "keep-going"}
    assert {one["parameters"]["environment"] for one in made["check-drift"]["schedules"]} == {"dev", "prod"}
    (automation,) = automations(server, unique)
    assert automation["name"] == f"check-drift-{unique}: when deployments in dev, prod change"
    assert f"check-drift/{unique} runs for dev, prod" in automation["description"]

    again = run_cli("bootstrap", *options)

    assert f"{len(made)} unchanged" in again.stdout, again.stdout + again.stderr
    assert {flow: one["updated"] for flow, one in owned(server, unique).items()} == {
        flow: one["updated"] for flow, one in made.items()
    }

    removed = run_cli("bootstrap", str(folder_project), "--remove")

    assert removed.returncode == 0, removed.stderr
    assert owned(server, unique) == {}
    assert automations(server, unique) == []


def test_deployers_are_those_of_the_recipes_that_are_used(
    server: Api, folder_project: Path, run_cli: RunCli, unique: str
) -> None:
    """Bootstrapping again after a change of the project makes the deployers of its new recipes, and removes the others'."""
    assert run_cli("bootstrap", str(folder_project)).returncode == 0
    assert owned(server, unique).keys() == {*OPERATIONS, "local-run-deployer"}
    file = folder_project / "meta_prefect.yaml"
    entry = "- {recipe: own, variables: {hour: 2}, environments: [prod]}"
    wrong = "- {recipe: no_such_recipe}"
    file.write_text(f"project: {unique}\nrecipes: [recipes]\ndeployments:\n  {unique}:\n    {entry}\n    {wrong}\n")

    done = run_cli("bootstrap", str(folder_project))

    assert done.returncode == 0, done.stderr
    assert "no deployer for what is wrong in the project: " in done.stderr
    assert "no_such_recipe" in done.stderr
    made = owned(server, unique)
    assert made.keys() == {*OPERATIONS, f"{unique}-own"}, "also where it counts in one environment only"


def test_the_list_says_what_each_deployer_is_for(
    server: Api, folder_project: Path, run_cli: RunCli, unique: str
) -> None:
    """Each description names the project and what the deployment does with it; the form offers the flows that are known."""
    assert run_cli("bootstrap", str(folder_project)).returncode == 0

    made = owned(server, unique)

    first = {flow: one["description"].partition(".")[0] for flow, one in made.items()}
    assert first["deploy-project"] == f"Deploys **{unique}**: all that its project file asks for, or a selection of it"
    assert all(f"**{unique}**" in text for text in first.values()), first
    assert not any("Raises:" in one["description"] for one in made.values())
    names = made["deploy-project"]["parameter_openapi_schema"]["properties"]["names"]
    assert [kind["items"] for kind in names["anyOf"]] == [
        {"type": "string", "enum": [unique]},
        {"type": "string"},  # a branch may have flows that are not known here
    ]


def test_the_forms_offer_what_can_be_chosen(server: Api, folder_project: Path, run_cli: RunCli, unique: str) -> None:
    """The environment is a choice, every field has a title of words and a help text; where the project is cannot be chosen."""
    done = run_cli("bootstrap", str(folder_project), "--environments", "dev,stage,prod")
    assert done.returncode == 0, done.stderr

    made = owned(server, unique)
    deployer = made["deploy-project"]
    form = deployer["parameter_openapi_schema"]["properties"]
    assert form["environment"]["enum"] == ["dev", "stage", "prod"]
    assert deployer["parameters"]["environment"] == "dev"
    assert form.keys() & {"path", "revision"} == set()
    assert form["on_error"]["enum"] == ["stop", "keep-going", "atomic"]
    assert made["local-run-deployer"]["parameter_openapi_schema"]["properties"].keys() == {"deployments", "environment"}
    for deployment in made.values():
        for name, field in deployment["parameter_openapi_schema"]["properties"].items():
            assert field["title"][0].isupper(), (deployment["entrypoint"], name)
            assert field["description"], (deployment["entrypoint"], name)
    (step,) = deployer["pull_steps"]
    assert step["meta_prefect.steps.fetching.project_source"]["source"]["folder"] == str(folder_project)
    assert str(folder_project) in deployer["description"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--repository=-x"], "'-x' is no address of a repository"),
        (["--repository", "http://example.com/x.git"], "write it with https://, ssh:// or file://"),
        (["--repository", "https://ada:pw@example.com/x.git"], "holds a user or password"),
        (["--repository", "file:///x.git", "--revision=-x"], "'-x' is no name of a branch"),
        (["--repository", "file:///x.git", "--token", "secret/t"], "a token is for repositories over https"),
        (["--revision", "main"], "a folder of this host has no branches"),
        (["--recipe", "ecs_run_deployer"], "may run the deployer on another host"),
        (["--redeploy", "0 5 * * *", "--redeploy-in", "stage"], "Choose among dev, prod"),
        (["--set", "nothing"], "'nothing' sets nothing"),
        (["--redeploy", "at noon"], "schedule"),
    ],
)
def test_what_does_not_fit_is_refused(
    server: Api, folder_project: Path, unique: str, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A setup that cannot work is refused with what to do about it; nothing is written, and no secret is shown."""
    with pytest.raises(SystemExit) as ended:
        main(["bootstrap", str(folder_project), *options])

    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert says in told
    assert "Traceback" not in told
    assert "pw@" not in told
    assert owned(server, unique) == {}


def test_a_project_named_after_its_folder_gets_no_deployer(
    server: Api, folder_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where another folder of the same name would have the same deployer, bootstrapping asks for a name."""
    file = folder_project / "meta_prefect.yaml"
    file.write_text("\n".join(file.read_text().splitlines()[1:]))

    with pytest.raises(SystemExit) as ended:
        main(["bootstrap", str(folder_project)])

    assert ended.value.code == 1
    assert "Write `project: " in capsys.readouterr().err
