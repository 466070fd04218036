"""Choosing the flow that a name or an entrypoint means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from meta_prefect.errors import FlowNotFoundError
from meta_prefect.flows import check_entrypoint, choose_flow, find_flows

Write = Callable[[Mapping[str, str]], Path]

WHERE = "meta_prefect.yaml:2:3: deployments.etl"


def flows(*names: str) -> str:
    """Write a module with flows."""
    return "from prefect import flow\n" + "".join(f"@flow\ndef {name}(): ...\n" for name in names)


def failure(call: Callable[[], object]) -> str:
    """Give the text of the error that a call raises."""
    with pytest.raises(FlowNotFoundError) as failed:
        call()
    return str(failed.value)


def test_a_flow_is_chosen_by_name(write: Write) -> None:
    """The exact name wins; else ``_`` and ``-`` are alike where that leaves one flow."""
    found = find_flows(write({"f.py": flows("my_etl", "load") + "@flow(name='my_etl')\ndef other(): ..."}))
    assert choose_flow(found, "my-etl").entrypoint == "f.py:my_etl"
    assert choose_flow(found, "my_etl").entrypoint == "f.py:other"
    found = find_flows(write({"f.py": flows("my_etl", "load")}))
    assert choose_flow(found, "my_etl").entrypoint == "f.py:my_etl"


def test_two_flows_of_one_name_are_an_error(write: Write) -> None:
    """The error lists the candidates and how to choose one."""
    found = find_flows(write({"a.py": flows("my_etl"), "b.py": flows("my_etl"), "c.py": flows("x")}))
    for name in "my-etl", "my_etl":
        assert failure(lambda name=name: choose_flow(found, name, where=WHERE)) == (
            f"{WHERE}: 2 flows are named {name!r}: a.py:my_etl, b.py:my_etl\n"
            "  Say which one is meant: add `entrypoint: a.py:my_etl` to the entry."
        )


def test_an_unknown_flow_is_an_error(write: Write) -> None:
    """The error names the flows that there are and the nearest one."""
    root = write({"a.py": flows("extract", "load")})
    assert failure(lambda: choose_flow(find_flows(root), "extrct", where=WHERE)) == (
        f"{WHERE}: there is no flow 'extrct'; there are: extract, load\n  Did you mean 'extract'?"
    )
    write({"a.py": flows(*(f"flow_{number:02}" for number in range(30)))})
    assert "flow-19 and 10 more" in failure(lambda: choose_flow(find_flows(root), "x"))
    write({"a.py": ""})
    assert "the project defines no flows\n  Put Prefect's `@flow`" in failure(
        lambda: choose_flow(find_flows(root), "x")
    )


def test_a_failed_lookup_mentions_where_the_flow_may_hide(write: Write) -> None:
    """Flows whose names are computed, and files that could not be read, may be the ones that were meant."""
    root = write({"a.py": "from prefect import flow\n@flow(name=make())\ndef e(): ...", "b.py": flows("x") + "def ("})
    text = failure(lambda: choose_flow(find_flows(root), "etl"))
    assert "The name is computed in a.py:e: if one of them is meant, add `entrypoint:`." in text
    assert "Not read: b.py (invalid syntax in line 4)." in text


PROJECT = {
    "pkg/__init__.py": "",
    "pkg/flow.py": "from prefect import flow\n@flow(name='the etl')\ndef etl(): ...\ndef plain(): ...\n"
    "class C:\n  @staticmethod\n  @flow\n  def run(): ...\nclass D(C): ...\n"
    "daily = etl.with_options(name='daily')\n@team_flow\ndef custom(): ...\n",
    "my-flow.py": flows("main"),
    "star.py": "from pkg.flow import *\n",
}

GOOD = {
    "a file": ("pkg/flow.py:etl", "the etl", "pkg/flow.py:etl", 3),
    "a file with dots": ("./pkg/../pkg/flow.py:etl", "the etl", "pkg/flow.py:etl", 3),
    "a module": ("pkg.flow.etl", "the etl", "pkg.flow.etl", 3),
    "a class": ("pkg/flow.py:C.run", "run", "pkg/flow.py:C.run", 8),
    "a class in a module": ("pkg.flow:C.run", "run", "pkg.flow:C.run", 8),
    "an inherited method": ("pkg/flow.py:D.run", None, "pkg/flow.py:D.run", 9),
    "an assignment": ("pkg/flow.py:daily", None, "pkg/flow.py:daily", 10),
    "an unknown decorator": ("pkg/flow.py:custom", None, "pkg/flow.py:custom", 12),
    "a name that is no identifier": ("my-flow.py:main", "main", "my-flow.py:main", 3),
    "a star import": ("star.py:etl", None, "star.py:etl", 1),
}


@pytest.mark.parametrize(("entrypoint", "name", "text", "line"), GOOD.values(), ids=GOOD.keys())
def test_an_entrypoint_leads_to_a_flow(write: Write, entrypoint: str, name: str | None, text: str, line: int) -> None:
    """All forms of entrypoints are understood; paths become relative, and modules stay modules."""
    root = write(PROJECT)
    flow = check_entrypoint(root, entrypoint)
    assert (flow.name, flow.entrypoint, flow.line) == (name, text, line)
    assert flow.file == root / (text.partition(":")[0] if ".py" in text else "pkg/flow.py")


BAD = {
    "no file": ("pkg/flw.py:etl", "there is no file 'pkg/flw.py' in {root}\n  Did you mean 'pkg/flow.py:etl'?"),
    "no function": ("pkg/flow.py:elt", "there is no 'elt' in the module's top level\n  Did you mean 'etl'?"),
    "no method": ("pkg/flow.py:C.runs", "there is no 'runs' in the class 'C'\n  Did you mean 'C.run'?"),
    "a plain function": ("pkg/flow.py:plain", "is a function but no flow\n  Put Prefect's `@flow` above it."),
    "a class": ("pkg/flow.py:C", "'pkg/flow.py:C' is a class\n  Known: C.run, etl."),
    "no module": ("pkg.nothing.etl", "there is no module 'pkg.nothing'"),
    "a file alone": ("pkg/flow.py", "is not an entrypoint\n  Write 'pkg/flow.py:function'."),
    "a word": ("etl", "'etl' is not an entrypoint\n  Write 'folder/file.py:function'"),
    "nothing behind the colon": ("pkg/flow.py:", "is not an entrypoint"),
    "above the project": ("../outside.py:etl", "'../outside.py' lies outside of the project's folder {root}"),
    "an absolute path": ("/etc/flow.py:etl", "'/etc/flow.py' lies outside of the project's folder"),
    "a link that leaves": ("link.py:etl", "'link.py' lies outside of the project's folder"),
    "a module behind a link that leaves": ("away.outside.etl", "lies outside of the project's folder"),
    "a folder link that leaves": ("away/outside.py:etl", "lies outside of the project's folder"),
    "a broken file": ("broken.py:etl", "broken.py cannot be read: "),
}


@pytest.mark.parametrize(("entrypoint", "message"), BAD.values(), ids=BAD.keys())
def test_a_wrong_entrypoint_is_explained(write: Write, tmp_path: Path, entrypoint: str, message: str) -> None:
    """What is wrong with an entrypoint is said before anything is loaded, and nothing outside of the project is taken."""
    root = write(PROJECT)
    (tmp_path / "outside.py").write_text(flows("etl"))
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    (root / "away").symlink_to(tmp_path)
    (root / "broken.py").write_text("def (")
    text = failure(lambda: check_entrypoint(root, entrypoint, where=WHERE))
    assert text.startswith(f"{WHERE}: ")
    assert message.format(root=root) in text


def test_an_installed_module_is_an_entrypoint(write: Write) -> None:
    """Flows of installed packages keep their module entrypoint, and are found without importing them."""
    flow = check_entrypoint(write({}), "meta_prefect.flows.lookup.choose_flow".replace("choose_flow", "Path"))
    assert (flow.name, flow.entrypoint) == (None, "meta_prefect.flows.lookup.Path")
    assert flow.file.name == "lookup.py"
