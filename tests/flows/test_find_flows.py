"""Finding flows in the syntax tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support import calls_made_by

from meta_prefect.flows import find_flows, load_flow

Write = Callable[[Mapping[str, str]], Path]

FOUND = {
    "a bare decorator": ("from prefect import flow\n@flow\ndef my_etl(): ...", {"my-etl": "f.py:my_etl"}),
    "a called decorator": ("from prefect import flow\n@flow(retries=2)\ndef my_etl(): ...", {"my-etl": "f.py:my_etl"}),
    "a name": ("from prefect import flow\n@flow(name='The ETL')\ndef e(): ...", {"The ETL": "f.py:e"}),
    "no name": ("from prefect import flow\n@flow(name=None)\ndef e_(): ...", {"e-": "f.py:e_"}),
    "an empty name": ("from prefect import flow\n@flow(name='')\ndef e(): ...", {"e": "f.py:e"}),
    "prefect.flow": ("import prefect\n@prefect.flow(name='x')\ndef e(): ...", {"x": "f.py:e"}),
    "an aliased module": ("import prefect as p\n@p.flow\ndef e(): ...", {"e": "f.py:e"}),
    "an aliased decorator": ("from prefect import flow as f\n@f\ndef e(): ...", {"e": "f.py:e"}),
    "prefect.flows": ("from prefect.flows import flow\n@flow\ndef e(): ...", {"e": "f.py:e"}),
    "import prefect.flows": ("import prefect.flows\n@prefect.flows.flow()\ndef e(): ...", {"e": "f.py:e"}),
    "from prefect import flows": ("from prefect import flows\n@flows.flow\ndef e(): ...", {"e": "f.py:e"}),
    "a star import": ("from prefect import *\n@flow\ndef e(): ...", {"e": "f.py:e"}),
    "an async flow": ("from prefect import flow\n@flow\nasync def e(): ...", {"e": "f.py:e"}),
    "among other decorators": ("from prefect import flow\n@a\n@b(1)\n@flow\n@c\ndef e(): ...", {"e": "f.py:e"}),
    "a static method": (
        "from prefect import flow\nclass C:\n  @staticmethod\n  @flow\n  def e(): ...\n"
        "  class D:\n    @flow\n    @staticmethod\n    def g(self): ...",
        {"e": "f.py:C.e", "g": "f.py:C.D.g"},
    ),
    "a class method": (
        "from prefect import flow\nclass C:\n  @classmethod\n  @flow\n  def e(cls): ...",
        {"e": "f.py:C.e"},
    ),
    "inside of if and try": (
        "try:\n  from prefect import flow\nexcept ImportError:\n  from shim import flow\nif x:\n  @flow\n  def a(): ...\n"
        "else:\n  @flow\n  def b(): ...\nwith y:\n  @flow\n  def c(): ...",
        {"a": "f.py:a", "b": "f.py:b", "c": "f.py:c"},
    ),
    "a name that is a constant": (
        "from prefect import flow\nNAME = 'the-etl'\n@flow(name=NAME)\ndef e(): ...",
        {"the-etl": "f.py:e"},
    ),
    "a partial": (
        "from functools import partial\nimport prefect\nflow = partial(prefect.flow, log_prints=True)\n"
        "@flow\ndef e(): ...\n@flow(name='y')\ndef g(): ...",
        {"e": "f.py:e", "y": "f.py:g"},
    ),
    "a decorator kept with its options": (
        "from prefect import flow\nnightly = flow(retries=3)\n@nightly\ndef e(): ...",
        {"e": "f.py:e"},
    ),
    "a decorator with builders": (
        "from prefect import flow\nflow = versioneer()(tags_resolver())(flow)\n@flow(name='x')\ndef e(): ...",
        {"x": "f.py:e"},
    ),
    "an encoding": (
        "# -*- coding: latin-1 -*-\nfrom prefect import flow\n@flow(name='x')\ndef e(): ...",
        {"x": "f.py:e"},
    ),
}


@pytest.mark.parametrize(("source", "expected"), FOUND.values(), ids=FOUND.keys())
def test_flows_are_found_under_prefect_s_name(write: Write, source: str, expected: dict[str, str]) -> None:
    """Each way to apply Prefect's decorator is recognised, and the name follows Prefect's rule."""
    found = find_flows(write({"f.py": source}))
    assert {str(flow.name): flow.entrypoint for flow in found} == expected
    assert found.unread == ()


NEEDS_MORE = {"among other decorators", "inside of if and try", "a decorator with builders"}


@pytest.mark.parametrize("case", sorted(FOUND.keys() - NEEDS_MORE))
def test_prefect_gives_the_same_names(write: Write, case: str) -> None:
    """What is found without running the code is what Prefect itself says when it is run."""
    root = write({"f.py": FOUND[case][0]})
    for flow in find_flows(root):
        assert load_flow(root, flow.entrypoint).name == flow.name


COMPUTED = {
    "a call": "@flow(name=make())\ndef e(): ...",
    "an f-string": "@flow(name=f'{x}')\ndef e(): ...",
    "options": "options = {'name': 'x'}\n@flow(**options)\ndef e(): ...",
    "a constant of another module": "from names import NAME\n@flow(name=NAME)\ndef e(): ...",
    "a constant bound twice": "NAME = 'a'\nif x:\n  NAME = 'b'\n@flow(name=NAME)\ndef e(): ...",
    "a constant changed by a function": "NAME = 'a'\ndef f():\n  global NAME\n  NAME = 'b'\n@flow(name=NAME)\ndef e(): ...",
    "a constant that a class hides": "NAME = 'a'\nclass C:\n  NAME = 'b'\n  @flow(name=NAME)\n  def e(): ...",
    "two definitions": "if x:\n  @flow(name='a')\n  def e(): ...\nelse:\n  @flow(name='b')\n  def e(): ...",
    "two decorators": "if x:\n  flow = flow(name='a')\nelse:\n  flow = flow(name='b')\n@flow\ndef e(): ...",
}


@pytest.mark.parametrize("source", COMPUTED.values(), ids=COMPUTED.keys())
def test_a_computed_name_is_not_guessed(write: Write, source: str) -> None:
    """Where only running the code would tell the name, the flow is listed without one."""
    (flow,) = find_flows(write({"f.py": f"from prefect import flow\n{source}"}))
    assert flow.name is None
    assert flow.entrypoint in {"f.py:e", "f.py:C.e"}


NOT_FOUND = {
    "inside of a function": "from prefect import flow\ndef make():\n  @flow\n  def e(): ...",
    "another flow": "import prefect\nfrom metaflow import flow\n@flow\ndef e(): ...",
    "a function of that name": "from prefect import flow\ndef flow(f): ...\n@flow\ndef e(): ...",
    "a method of an object": "from prefect import flow\nclass C:\n  @flow\n  def e(self): ...",
    "a task": "from prefect import flow, task\n@task\ndef e(): ...",
    "an attribute": "from prefect import flow\n@x.flow\ndef e(): ...",
    "code for running the file": "from prefect import flow\nif __name__ == '__main__':\n  @flow\n  def e(): ...",
    "text": "'''\nfrom prefect import flow\n@flow\ndef e(): ...\n'''",
}


@pytest.mark.parametrize("source", NOT_FOUND.values(), ids=NOT_FOUND.keys())
def test_what_is_no_loadable_flow_is_not_found(write: Write, source: str) -> None:
    """Only what Prefect's decorator makes, and an import gives, is a flow."""
    assert find_flows(write({"f.py": source})) == ()


def test_a_flow_says_where_it_stands(write: Write) -> None:
    """File, line and column lead to the ``def``, and the entrypoint is relative to the project."""
    root = write({"a/b.py": "from prefect import flow\nclass C:\n  @flow\n\n  def e(): ...\n"})
    (flow,) = find_flows(root)
    assert (flow.entrypoint, flow.file, flow.line, flow.column) == ("a/b.py:C.e", root / "a" / "b.py", 5, 3)


def test_files_that_cannot_be_read_are_remembered(write: Write) -> None:
    """Files with errors do not stop the search, and are named with the reason."""
    flow = "from prefect import flow\n@flow\ndef e(): ...\n"
    root = write({"good.py": flow, "syntax.py": f"{flow}def (\n", "deep.py": f"{flow}x = {'(' * 5000}{')' * 5000}"})
    (root / "utf16.py").write_text(flow, encoding="utf-16")
    (root / "null.py").write_text(f"{flow}\0")
    (root / "latin.py").write_bytes(f"{flow}x = '\xe9'".encode("latin-1"))
    found = find_flows(root)
    assert [one.entrypoint for one in found] == ["good.py:e"]
    assert [one.path for one in found.unread] == ["deep.py", "latin.py", "null.py", "syntax.py", "utf16.py"]
    assert str(found.unread[3]) == "syntax.py (invalid syntax in line 4)"


def test_nothing_of_the_project_is_executed(write: Write) -> None:
    """Looking for flows runs no code: a file that would leave a mark leaves none."""
    mark = "import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\nfrom prefect import flow\n@flow\ndef e(): ..."
    root = write({"a.py": mark, "pkg/__init__.py": mark, "pkg/b.py": mark, "conftest.py": mark, "setup.py": mark})
    assert len(find_flows(root)) == 5
    assert not list(root.rglob("*.ran"))
    assert not list(root.rglob("__pycache__"))


def test_a_thousand_files_are_quick(write: Write) -> None:
    """Looking through a thousand flow files takes no more than some thousand calls for each, well below two seconds."""
    source = "from prefect import flow, task\n@task\ndef t(x): return x\n" + "".join(
        f"def helper_{index}(x, y=1):\n    '''Text.'''\n    return [x + y for x in range(y)]\n\n" for index in range(10)
    )
    root = write(
        {f"pkg{n % 20}/f{n}.py": f"{source}@flow\ndef f_{n}(x: int) -> int:\n    return t(x)\n" for n in range(1000)}
    )
    assert calls_made_by(lambda: find_flows(root)) < 5_000 * 1000
