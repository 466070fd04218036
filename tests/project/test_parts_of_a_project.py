"""One project from several files: which ones belong to it, what each may say, and where what is wrong is reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meta_prefect.errors import ValidationFailed
from meta_prefect.project import read_project

Files = Callable[..., Path]

ENTRY = "deployments: {{{flow}: [{{recipe: local_run_deployer, variables: {{name: x}}}}]}}\n"
WHOLE = "project: shop\nowner: platform\ninclude: ['pipelines/*/meta_prefect.yaml']\n"
PARTS = {
    "meta_prefect.yaml": WHOLE,
    "pipelines/a/meta_prefect.yaml": ENTRY.format(flow="load"),
    "pipelines/b/meta_prefect.yml": ENTRY.format(flow="save"),
    "pipelines/c/meta_prefect.yaml": "owner: finance\n" + ENTRY.format(flow="bill"),
}


def test_a_project_is_its_file_and_those_that_it_includes(project: Files) -> None:
    """Each part keeps its own folder; a file that no pattern matches is a project of its own."""
    read = read_project(project(**PARTS))
    assert (read.name, read.owner) == ("shop", "platform")
    assert [(read.place("", part), part.owner) for part in read.parts] == [
        (".", "platform"),
        ("pipelines/a", None),
        ("pipelines/c", "finance"),
    ]
    assert [entry.where for part in read.parts for entry in part.entries] == [
        "pipelines/a/meta_prefect.yaml:1:22: deployments.load[0]",
        "pipelines/c/meta_prefect.yaml:2:22: deployments.bill[0]",
    ]
    assert read_project(read.root / "pipelines" / "b").name != "shop"


@pytest.mark.parametrize("start", ["pipelines/a", "pipelines/a/meta_prefect.yaml", "pipelines/a/flows/load.py"])
def test_from_a_parts_folder_that_part_of_the_project_is_meant(project: Files, start: str) -> None:
    """It is found from its own files, has the project's name, and what is wrong with other parts is of no interest."""
    broken = {**PARTS, "pipelines/c/meta_prefect.yaml": "nonsense: 1\n", "pipelines/a/flows/load.py": ""}
    read = read_project(project(**broken) / start)
    assert read.name == "shop"
    assert read.chosen is not None
    assert [read.place("", part) for part in read.parts] == ["pipelines/a"]


def test_a_file_of_another_user_includes_nothing(project: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may write a project file to a folder above, whose recipes would then be run."""
    root = project(**PARTS)
    part = root / "pipelines" / "a" / "meta_prefect.yaml"
    real = Path.stat

    def stat(path: Path, **options: bool) -> object:
        found = real(path, **options)
        return type("Stat", (), {"st_uid": found.st_uid + 1, "st_mode": found.st_mode}) if path == part else found

    monkeypatch.setattr(Path, "stat", stat)
    assert read_project(part).chosen is None


PROBLEMS = {
    "a part that names a project": (
        {"pipelines/a/meta_prefect.yaml": "project: other\n" + ENTRY.format(flow="load")},
        "pipelines/a/meta_prefect.yaml:1:1: project: the key 'project' is for the project's own file",
        "taken over with `renamed_from`",
    ),
    "a part that includes": (
        {"pipelines/a/meta_prefect.yaml": "include: ['*/meta_prefect.yaml']\n"},
        "pipelines/a/meta_prefect.yaml:1:1: include: the key 'include' is for the project's own file",
        "Name the files in the project's own file.",
    ),
    "a wrong key in two parts": (
        dict.fromkeys(("pipelines/a/meta_prefect.yaml", "pipelines/c/meta_prefect.yaml"), "deploymens: {}\n"),
        "pipelines/a/meta_prefect.yaml:1:1: deploymens: unknown key 'deploymens'",
        "Did you mean 'deployments'?",
    ),
    "no YAML": (
        {"pipelines/c/meta_prefect.yaml": "a: b: c\n"},
        "pipelines/c/meta_prefect.yaml:1:5: not valid YAML",
        "needs quotes",
    ),
    "a pattern without a file": (
        {"meta_prefect.yaml": "project: shop\ninclude: [jobs/*/meta_prefect.yaml]\n"},
        "meta_prefect.yaml:2:11: include[0]: there is no file 'jobs/*/meta_prefect.yaml'",
        "",
    ),
    "a folder": (
        {"meta_prefect.yaml": "project: shop\ninclude: pipelines/a\n"},
        "meta_prefect.yaml:2:1: include: should end with meta_prefect.yaml",
        "Write 'pipelines/a/meta_prefect.yaml'.",
    ),
    "a folder above": (
        {"meta_prefect.yaml": "project: shop\ninclude: [../x/meta_prefect.yaml]\n"},
        "meta_prefect.yaml:2:11: include[0]: leads out of the project's folder",
        "Include files below it.",
    ),
}


@pytest.mark.parametrize(("files", "told", "hint"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_what_is_wrong_names_the_file_of_the_part(project: Files, files: dict[str, str], told: str, hint: str) -> None:
    """The file from the project's folder, its line and key, and the way out."""
    with pytest.raises(ValidationFailed) as failed:
        read_project(project(**{**PARTS, **files}))
    assert told in str(failed.value)
    assert hint in str(failed.value)


def test_links_hidden_folders_and_environments_hold_no_parts(project: Files, tmp_path: Path) -> None:
    """`**` means the project's own folders; a part that two names lead to is one."""
    names = (".venv/x", "node_modules/y", "real")
    root = project(
        **{"meta_prefect.yaml": "project: shop\ninclude: '**/meta_prefect.yaml'\n"},
        **{f"{name}/meta_prefect.yaml": ENTRY.format(flow="load") for name in names},
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "meta_prefect.yaml").write_text(ENTRY.format(flow="load"))
    (root / "away").symlink_to(outside)
    (root / "again").symlink_to(root / "real")
    (root / "loop").symlink_to(root)
    read = read_project(root)
    assert [read.place("", part) for part in read.included] == ["real"]
