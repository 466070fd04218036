"""The examples of the README and of the guides work as they stand there."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from runpy import run_path

import pytest
import yaml
from reference import PAGE, reference
from support import Api

from meta_prefect.deploy import validate
from meta_prefect.errors import ValidationFailed
from meta_prefect.implementations.common import CommonVariables
from meta_prefect.policies.built_in import BUILT_IN
from meta_prefect.project import read_project
from meta_prefect.recipes.registry import Recipes

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
FOLDERS = (".github", "meta_prefect", "deployer_flows", "docker", "tests")
PAGES = (README, *sorted(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md")))
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text() for page in PAGES}
BLOCKS = [
    block
    for text in TEXTS.values()
    for block in re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
]
PYTHON = [text for language, name, text in BLOCKS if language == "python" and not name]
Project = Callable[..., Path]


def block(name: str) -> str:
    """The text of the block that stands for a file."""
    (text,) = [text for _, title, text in BLOCKS if title == name]
    return text


def test_the_first_example_is_the_sample_project() -> None:
    """What the README shows is what its command deploys, to the letter."""
    folder = ROOT / "tests" / "projects" / "first_flow"
    assert block("flow.py") == (folder / "flow.py").read_text()
    assert block("meta_prefect.yaml") == (folder / "meta_prefect.yaml").read_text()


def test_followed_from_top_to_bottom_on_one_server_each_command_succeeds(server: Api, tmp_path: Path) -> None:
    """The sample project, then the same in a folder of one's own, a run, production, and the recipe of one's own beside it."""
    text = README.read_text()
    sections = text[text.index("## Try it") : text.index("## Begin with what you have")]
    commands = re.findall(
        r"(?:^\$ |uv run |`)((?:meta-prefect deploy|prefect deployment run)\b[^`\n]*)", sections, re.MULTILINE
    )
    assert commands == [
        "meta-prefect deploy tests/projects/first_flow",
        "meta-prefect deploy",
        "prefect deployment run add-two-numbers-flow/local-run-dev -p x=1 -p y=2 --watch",
        "meta-prefect deploy --env prod",
    ]
    for name in ("flow.py", "meta_prefect.yaml"):
        (tmp_path / name).write_text(block(name))

    _, moved, *_ = [followed(command, ROOT if "tests/projects" in command else tmp_path) for command in commands]
    for name in ("recipes.py", "flows.py"):
        (tmp_path / name).write_text(block(name))
    own = followed("meta-prefect deploy", tmp_path)

    assert f"code moves from the folder {ROOT}/tests/projects/first_flow to the folder {tmp_path} of host" in moved
    assert "updated add-two-numbers-flow/local-run-dev" in moved
    assert {"ingest/nightly-dev", "ingest/early-dev"} <= set(re.findall(r"created (\S+)", own)), own
    for name in (
        "add-two-numbers-flow/local-run-dev",
        "add-two-numbers-flow/local-run-prod",
        "ingest/nightly-dev",
        "ingest/early-dev",
    ):
        # Other tests follow the first steps too, on a server where nobody has.
        server.delete(f"/deployments/{server.deployment(name)['id']}")


def followed(command: str, folder: Path, *, code: int = 0) -> str:
    """Type a command in a folder; it succeeds, or ends with another code. Returns what it prints."""
    program, *arguments = shlex.split(command)
    module = {"meta-prefect": "meta_prefect.cli", "prefect": "prefect"}[program]
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == code, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_a_project_begins_as_the_readme_says(server: Api, project: Project, unique: str) -> None:
    """From flows, and from what is live; taking that over changes nothing but the project's mark."""
    flows = f"from prefect import flow\n\n\n@flow(name='{unique}')\ndef work() -> None: ...\n"
    root = project(**{"flows.py": flows})
    from_what_is_here, from_server, plan = re.findall(
        r"^\$ (meta-prefect (?:init|plan).*?) +#", README.read_text(), re.MULTILINE
    )
    assert "1 entry" in followed(from_what_is_here, root)
    (root / "meta_prefect.yaml").unlink()
    server.post("/work_pools/", name=unique, type="process", base_job_template={})
    server.post(
        "/deployments/",
        name="nightly",
        flow_id=server.post("/flows/", name=unique)["id"],
        entrypoint="flows.py:work",
        work_pool_name=unique,
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(root)}}],
        parameter_openapi_schema={"title": "Parameters", "type": "object", "properties": {}, "definitions": {}},
        enforce_parameter_schema=True,
    )

    assert "1 of 1 deployment" in followed(from_server, root)
    told = followed(plan, root, code=2)

    assert set(re.findall(r"^ +(\w+)[.:]", told, re.MULTILINE)) == {"tags", "job_variables", "version"}, told


def test_the_recipe_deploys_the_flows_below_it(project: Project) -> None:
    """The recipe of the README makes the two deployments of the flow that is shown with it."""
    report = validate([str(project(**{"recipes.py": block("recipes.py"), "flows.py": block("flows.py")}))])
    assert {outcome.deployment for outcome in report.outcomes} == {"ingest/nightly-dev", "ingest/early-dev"}


@pytest.mark.parametrize("text", PYTHON)
def test_python_examples_are_deployable(project: Project, text: str) -> None:
    """Each example without a file name is a module whose flows can be deployed."""
    report = validate([str(project(**{"example.py": text}))])
    assert report.outcomes


def test_the_tests_shown_pass(tmp_path: Path) -> None:
    """The guide to testing recipes has tests that are true."""
    (tmp_path / "test_nightly.py").write_text(block("test_nightly.py"))
    tests = [one for name, one in run_path(str(tmp_path / "test_nightly.py")).items() if name.startswith("test_")]
    for test in tests:
        test()
    assert len(tests) == 3


def test_the_project_file_shown_is_valid(project: Project) -> None:
    """The annotated project file holds no key that does not exist."""
    (text,) = [text for language, name, text in BLOCKS if language == "yaml" and not name]
    shown = read_project(project(**{"meta_prefect.yaml": text}))
    assert (shown.name, shown.recipes) == ("sales-reports", ("my_team.recipes",))


def test_the_schedules_shown_are_deployable(project: Project) -> None:
    """The annotated schedules are variables of a recipe as they stand there."""
    file = "project: shop\ndeployments: {shop: [{recipe: local_run_deployer, variables: {name: a, SCHEDULES}}]}\n"
    (schedules,) = yaml.safe_load(block("schedules.yaml")).items()
    written = yaml.safe_dump(dict([schedules]), default_flow_style=True, width=10_000).strip().removeprefix("{")  # pyright: ignore[reportUnknownMemberType] - partly untyped in the stubs
    root = project(
        **{
            "meta_prefect.yaml": file.replace("SCHEDULES}", written),
            "shop.py": "from prefect import flow\n\n\n@flow\ndef shop() -> None: ...\n",
            "company.ics": "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\nSUMMARY:Founding day\n"
            "DTSTART;VALUE=DATE:20270402\nEND:VEVENT\nEND:VCALENDAR\n",
        }
    )
    report = validate([str(root)])

    notes = [remark.rpartition(" until ")[0] for remark in report.remarks if " until " in remark]
    assert notes == [
        "holidays of US are left out",
        "holidays of NYSE + US-CA are moved to the previous business day",
        "holidays of company.ics and frozen days are left out",
        "runs on business day 1 and -1 of a month (holidays of DE) only",
        "runs on holidays of US only",
        "weekends are moved to the next business day, holidays of US are left out,",
        "holidays of NYSE + NYSE from 13:00 are left out",
    ]


def test_the_preview_shown_is_what_is_printed() -> None:
    """The preview of the README says today what it said when it was copied."""
    (shown,) = [text for _, _, text in BLOCKS if text.startswith("$ meta-prefect schedule preview")]
    command, _, printed = shown.replace("\\\n", "").partition("\n")
    done = subprocess.run(
        [sys.executable, "-m", "meta_prefect.cli", *shlex.split(command)[2:]],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "TZ": "UTC"},
    )
    assert done.stdout == printed


def test_the_project_for_the_composed_system_is_deployable(project: Project) -> None:
    """The project file that goes with the compose file deploys the first example to the composed workers' pool."""
    report = validate(
        [str(project(**{"meta_prefect.yaml": block("compose-project.yaml"), "flow.py": block("flow.py")}))]
    )
    assert [outcome.deployment for outcome in report.outcomes] == ["add-two-numbers-flow/nightly-dev"]


def test_the_pods_of_the_guide_are_deployable(project: Project) -> None:
    """All that is said there of a pod is what a pod can have."""
    folder = project(**{"meta_prefect.yaml": block("pods-project.yaml"), "flow.py": block("flow.py")})
    validate([str(folder)])


def test_the_project_for_a_cluster_is_deployable(project: Project) -> None:
    """The entry with an image to build and a worker to ensure is sound, beside a Dockerfile."""
    folder = project(**{"meta_prefect.yaml": block("cluster-project.yaml"), "flow.py": block("flow.py")})
    (folder / "Dockerfile").write_text("FROM meta-prefect:0.1.0\nCOPY . .\n")
    report = validate([str(folder)])
    assert [outcome.deployment for outcome in report.outcomes] == ["add-two-numbers-flow/nightly-dev"]


def test_the_entry_like_one_of_a_prefect_yaml_is_deployable(project: Project) -> None:
    """What is said for all environments and for one of them is sound in each."""
    root = project(**{"meta_prefect.yaml": block("prefect-yaml.yaml"), "flow.py": block("flow.py")})
    for environment in ("dev", "prod"):
        report = validate([str(root)], env=environment)
        assert [outcome.deployment for outcome in report.outcomes] == [f"add-two-numbers-flow/nightly-{environment}"]


def test_the_recipes_of_recipes_shown_are_deployable(project: Project) -> None:
    """A preset and an extended recipe take the variables that the guide says."""
    entries = """
        - {recipe: etl_deployer, variables: {name: small}}
        - {recipe: paid_deployer, variables: {name: paid, image: "shop:1", cost_center: orders, description: It is paid for.}}
    """
    file = f"project: shop\nrecipes: [presets]\ndeployments:\n  add-two-numbers-flow:{entries}"
    root = project(**{"meta_prefect.yaml": file, "presets.py": block("presets.py"), "flow.py": block("flow.py")})
    assert [one.recipe for one in validate([str(root)]).outcomes] == ["etl_deployer", "paid_deployer"]


def test_the_policies_shown_are_in_force(project: Project) -> None:
    """What the guide asks for is done and exempt as it says, and refused without the exemption, at the line of the tags."""
    file, flow = block("policies.yaml"), "from prefect import flow\n\n\n@flow\ndef load_orders() -> None: ...\n"
    root = project(**{"meta_prefect.yaml": file, "team_policies.py": block("team_policies.py"), "flow.py": flow})
    told = validate([str(root)]).remarks
    assert any(one.startswith("tags set by policy team_tag") for one in told)
    assert any(one.startswith("exempt from policy cost_center until 2999-01-31, because the move") for one in told)

    project(**{"meta_prefect.yaml": file.replace("load-orders/*", "other/*")})
    with pytest.raises(ValidationFailed, match=r"meta_prefect.yaml:11:\d+: .*tags: policy cost_center: nobody"):
        validate([str(root)])
    names = set(re.findall(r"`(\w+)`", TEXTS["meta_prefect/policies/README.md"]))
    assert set(BUILT_IN) <= names


def test_the_tables_name_every_recipe_and_every_variable_that_all_have() -> None:
    """Each recipe and variable is in the guide."""
    section = TEXTS["meta_prefect/recipes/README.md"].partition("## Recipes that come with it")[2].partition("\n## ")[0]
    made_elsewhere = {"deployer", "decorated_flow_deployer"}
    names = {one.recipe_name for one in Recipes().all()} - made_elsewhere
    variables = {field.name for field in dataclasses.fields(CommonVariables)}
    assert names | variables <= set(re.findall(r"`(\w+)`", section))


@pytest.mark.parametrize(
    "command",
    [
        "deploy",
        "bootstrap",
        "init",
        "plan",
        "validate",
        "recipes",
        "policies",
        "schema",
        "schedule preview",
        "server status",
        "server stop",
        "worker status",
        "worker logs",
        "worker manifests",
    ],
)
def test_each_command_has_help_and_a_line_in_the_guide(command: str) -> None:
    """Every command says what it is for, in the guide and in its help."""
    done = subprocess.run(
        [sys.executable, "-m", "meta_prefect.cli", *shlex.split(command), "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert f"Usage: meta-prefect {command}" in done.stdout
    first, *rest = command.split()
    assert re.search(rf"`meta-prefect {first}.*{''.join(rest)}", TEXTS["meta_prefect/cli/README.md"])


def test_the_monorepo_is_one_project(project: Project) -> None:
    """Two parts with a `flow.py` each, and the recipe of all."""
    part = block("meta_prefect.yaml").replace("project: first-flow\n", "")
    root = project(
        **{
            "meta_prefect.yaml": block("monorepo.yaml"),
            "recipes.py": block("recipes.py"),
            "pipelines/a/meta_prefect.yaml": part,
            "pipelines/a/flow.py": block("flow.py"),
            "pipelines/b/meta_prefect.yaml": f"owner: finance\n{part.replace('name: local-run', 'name: other')}",
            "pipelines/b/flow.py": block("flow.py"),
        }
    )
    names = [f"add-two-numbers-flow/{name}-dev" for name in ("local-run", "other")]
    assert [one.deployment for one in validate([str(root)]).outcomes] == names
    assert [one.deployment for one in validate([str(root / "pipelines" / "b")]).outcomes] == names[1:]


def test_every_link_leads_somewhere() -> None:
    """Files exist, and so do the headings that a link names."""
    broken: list[str] = []
    for name, text in TEXTS.items():
        for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
            path, _, heading = link.partition("#")
            target = (ROOT / name).parent / path if path else ROOT / name
            if not target.exists() or (heading and heading not in headings(target.read_text())):
                broken.append(f"{name}: {link}")
    assert broken == []


def headings(text: str) -> set[str]:
    """The headings of a page as GitHub makes anchors of them."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_reference_is_what_the_code_says() -> None:
    """`uv run python tests/readme/reference.py` has nothing to renew."""
    assert reference() == PAGE.read_text()


def test_the_errors_that_have_a_way_out_exist() -> None:
    """What the support page quotes is a text of the package."""
    quoted = re.findall(r"^\| `(.+?)`", TEXTS[".github/SUPPORT.md"], re.MULTILINE)
    code = "".join(path.read_text() for path in (ROOT / "meta_prefect").rglob("*.py"))
    said = re.sub(r"\"\n\s*f?\"|[{][^{}]*[}]", "…", code)
    assert len(quoted) > 5
    assert [text for text in quoted for part in text.split("…") if part.strip(" ,") not in said] == []
