"""What is read of a flow from its source is what importing it gives; where that is not certain, nothing is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from meta_prefect.errors import FlowImportError
from meta_prefect.flows import ProjectModules, find_flows
from meta_prefect.flows.catalog import catalog_of
from meta_prefect.flows.static_facts import StaticFacts
from meta_prefect.interfaces.deployment import FlowFacts

Write = Callable[[Mapping[str, str]], Path]

PROJECTS = Path(__file__).parents[1] / "projects"
FLOWS = [(folder, flow.entrypoint) for folder in sorted(PROJECTS.iterdir()) for flow in find_flows(folder)]


def both(root: Path, entrypoint: str = "flows.py:work") -> tuple[FlowFacts | None, FlowFacts]:
    """What the source of a flow says, and what importing it gives."""
    return StaticFacts(ProjectModules(root)).of(entrypoint), catalog_of(root, from_source=False).of(entrypoint).facts


CERTAIN = {
    "nothing but a flow": "from prefect import flow\n@flow\ndef work(): ...",
    "a flow that is async": "from prefect import flow\n@flow()\nasync def work(x: int) -> None: 'Work.'",
    "another name for Prefect": "import prefect as p\n@p.flow(name='other')\ndef work(): ...",
    "the module of Prefect's decorator": "import prefect.flows\n@prefect.flows.flow(description='Told.')\ndef work(): 'Doc.'",
    "two imports of one package": "import prefect\nimport prefect.runtime\n@prefect.flow\ndef work(): ...",
    "a name by constants": "from prefect import flow\nA = 'a'\nB = f'{A}-b'\n@flow(name=B)\ndef work(): ...",
    "options that say nothing": """
        from prefect import flow
        from prefect.task_runners import ThreadPoolTaskRunner
        def told(flow, run, state): ...
        @flow(retries=2, task_runner=ThreadPoolTaskRunner(max_workers=2), on_failure=[told], log_prints=True, version="1")
        def work(x=None): ...
    """,
    "a docstring": """
        from prefect import flow
        @flow
        def work(rows: int, *more: str, last: bool = False, **rest: float):
            '''Load.

            Args:
                rows: How many.
                last: Whether that is all.
            '''
    """,
    "kinds of parameters and defaults": """
        from collections.abc import Sequence
        from datetime import date, datetime, timedelta, timezone
        from decimal import Decimal
        from pathlib import Path
        from typing import Annotated, Any, Literal, Optional, Union
        from uuid import UUID
        from prefect import flow
        from pydantic import Field, conint
        NIGHT = timedelta(hours=8)
        LIMIT = 60 * 60
        Count = Annotated[int, Field(ge=0, title="How many", description="At least none.")]
        @flow
        def work(
            a: Literal["x", "y"], b: Optional[date] = date(2026, 1, 1), /, c: dict[str, list[Decimal]] | None = None,
            d: Path = Path("data"), e: UUID = UUID(int=1), f: Count = LIMIT, g: conint(gt=1) = -3,
            h: Union[int, str, None] = 10**6, i: datetime = datetime(2026, 1, 1, tzinfo=timezone.utc), j=("a", 1),
            k: "Sequence[int]" = (1, 2), l: Any = {"a": [1, None]}, m: int = Field(default=3, description="Three."),
        ) -> dict[str, Count]: ...
    """,
    "postponed annotations": """
        from __future__ import annotations
        import datetime as dt
        from enum import Enum, auto
        from typing import Optional
        import prefect
        @prefect.flow
        def work(a: Optional[dt.date], b: Colour, c: list[Colour] = [], d: str | None = None) -> None: ...
        class Colour(str, Enum):
            '''Which.'''
            RED = "red"
            GREEN = "green"
        class Unused(Enum):
            ONE = auto()
    """,
    "an enumeration's member": """
        import enum
        from prefect import flow
        class Size(enum.IntEnum):
            S = 1
            M = enum.auto()
        @flow
        def work(size: Size = Size.M, other: int = Size.S.value, third: Size = Size(2)): ...
        NAMES = {Size.S: "small"}
    """,
    "what a script alone does": """
        from prefect import flow
        @flow
        def work(x: int = 1): ...
        if __name__ == "__main__":
            work.name = "x"
            work = work.with_options(name="x")
            run(work)
    """,
    "much else": """
        import json, logging, sys
        from prefect import flow, get_run_logger, task
        logger = logging.getLogger(__name__)
        sys.path.insert(0, "lib")
        TABLE = json.loads("{}")
        TABLE["flow"] = json
        try:
            import nothing_of_that_name
        except ImportError as error:
            reason = str(error)
        @task
        def step(x): return [one for one in x]
        class Client:
            def __init__(self, flow, date): self.flow, self.date = flow, date
        @flow
        def work(rows: int = 5):
            date = rows
            other(rows)
        @flow
        def other(x): ...
        @work.on_failure
        def told(flow, run, state): ...
        later = work.with_options(name="later")
        async def main(): await work(1)
    """,
    "what it returns is from elsewhere": """
        import json
        from prefect import flow
        @flow
        def work(x: int) -> json.JSONDecoder: ...
    """,
}


@pytest.mark.parametrize("source", CERTAIN.values(), ids=CERTAIN.keys())
def test_what_is_certain_is_what_importing_gives(write: Write, source: str) -> None:
    """Name, description, schema and all else are read without importing, and equal."""
    read, imported = both(write({"flows.py": dedent(source)}))

    assert read is not None
    assert (read, list(read.parameter_schema["properties"])) == (
        imported,
        list(imported.parameter_schema["properties"]),
    )


@pytest.mark.parametrize(("root", "entrypoint"), FLOWS, ids=[entrypoint for _, entrypoint in FLOWS])
def test_flows_of_sample_projects_are_the_same_both_ways(root: Path, entrypoint: str) -> None:
    """Where a real flow is read, importing gives the same."""
    read, imported = both(root, entrypoint)
    assert read in (None, imported)


FLOW = "from prefect import flow\n{before}\n@flow{call}\ndef work({parameters}){returns}: ...\n{after}\n"


def module(before: str = "", call: str = "", parameters: str = "x: int = 1", returns: str = "", after: str = "") -> str:
    """A module with one flow, around which something stands."""
    return FLOW.format(before=before, call=call, parameters=parameters, returns=returns, after=after)


UNCERTAIN = {
    "it is wrapped": module(after="work = print(work)"),
    "its name is deleted": module(after="del work"),
    "its name is set": module(after="work.name = 'x'"),
    "its function's docstring is set": module(after="work.fn.__doc__ = 'x'"),
    "its name is set in a function": module(after="def rename(): work.name = 'x'\nrename()"),
    "an alias of it": module(after="same = work\nsame.name = 'x'"),
    "the module imports itself": module(after="import flows\nflows.work.name = 'x'"),
    "its attribute is set by a function": module(after="setattr(work, 'name', 'x')"),
    "it is given to a function": module(after="dict(a=work)"),
    "its function is given to a function": module(after="print(work.fn)"),
    "it is in a list": module(after="for one in [work]: one.name = 'x'"),
    "a private method": module(after="work.__setattr__('name', 'x')"),
    "sys.modules": module(after="import sys\nsys.modules[__name__].work.name = 'x'"),
    "modules from sys": module(after="from sys import modules"),
    "globals": module(after="globals()['work'] = 1"),
    "exec": module(after="exec('work = 1')"),
    "a global statement": module(after="def change():\n  global work\n  work = 1"),
    "a loop variable": module(after="for work in (): ..."),
    "a walrus": module(after="[work := 1 for _ in ()]"),
    "an exception": module(after="try: ...\nexcept ValueError as work: ..."),
    "a match": module(after="match []:\n  case [*work]: ..."),
    "another function of its name": module(before="def work(): ..."),
    "a star import": module(before="from os.path import *"),
    "a star import of Prefect": "from prefect import *\n@flow\ndef work(): ...",
    "a branch": "from prefect import flow\nif True:\n  @flow\n  def work(): ...",
    "another decorator": module(before="@print"),
    "a wrapped decorator": module(before="flow = flow"),
    "an attribute of Prefect is set": module(before="import prefect\nprefect.flow = print"),
    "a builtin is replaced": module(before="import builtins\nbuiltins.int = str"),
    "a builtin's name is bound": module(before="int = print('') or str"),
    "a flow of something else": module(before="from os import flow"),
    "a relative import": module(before="").replace("from prefect", "from .prefect"),
    "a decorator with more": module(before="more = {}", call="(**more)"),
    "a computed name": module(before="import os", call="(name=os.sep)"),
    "a name that is no text": module(call="(name=1)"),
    "an argument that Prefect has not": module(call="(colour=1)"),
    "storage for results": module(before="import os", call="(result_storage=os)"),
    "a method": "from prefect import flow\nclass Some:\n  @flow\n  @staticmethod\n  def work(): ...",
    "an assignment": "from prefect import flow\ndef f(): ...\nwork = flow(f)",
    "a default from elsewhere": module(before="import os", parameters="x=os.sep"),
    "a default that is computed": module(before="from datetime import date", parameters="x=date.today()"),
    "a default of a function": module(before="def f(): return 1", parameters="x=f()"),
    "a default that is made later": module(
        before="from pydantic import Field", parameters="x=Field(default_factory=list)"
    ),
    "a default that is a lambda": module(parameters="x=lambda: 1"),
    "a default that can be changed": module(before="X = []", parameters="x=X", after="X.append(1)"),
    "a default that is bound in a branch": module(before="if True: X = 1", parameters="x=X"),
    "a default that is bound twice": module(before="X = 1\nX = 2", parameters="x=X"),
    "a default of itself": module(before="X = X", parameters="x=X"),
    "a name of the interpreter": module(parameters="x=__doc__"),
    "a type from elsewhere": module(before="from json import JSONDecoder", parameters="x: JSONDecoder"),
    "a type for type checkers": (
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING: from uuid import UUID\n"
        + module(parameters="x: UUID")
    ),
    "what it returns is unknown": "from __future__ import annotations\nimport json\n"
    + module(returns=" -> json.Nothing"),
    "a type that is named in a text": module(parameters="x: list['int']"),
    "a text in a text": "from __future__ import annotations\n" + module(parameters="x: 'int'"),
    "a text that is no type": module(parameters="x: 'a b'"),
    "a model": module(before="from pydantic import BaseModel\nclass M(BaseModel): ...", parameters="x: M = None"),
    "an enumeration with methods": module(
        before="from enum import Enum\nclass E(Enum):\n  A = 1\n  def __str__(self): return ''", parameters="x: E"
    ),
    "an enumeration that is computed": module(
        before="import os\nfrom enum import Enum\nclass E(Enum):\n  A = os.sep", parameters="x: E"
    ),
    "an enumeration that is decorated": module(
        before="from enum import Enum\n@print\nclass E(Enum):\n  A = 1", parameters="x: E"
    ),
    "an enumeration that is given away": module(
        before="from enum import Enum\nclass E(Enum):\n  A = 1\nprint(E)", parameters="x: E"
    ),
    "a plain class": module(before="class E: ...", parameters="x: E = None"),
    "a syntax error": "def work(:",
    "a module that is nested too deeply": module(before=f"X = {'-' * 5000}1"),
}


@pytest.mark.parametrize("source", UNCERTAIN.values(), ids=UNCERTAIN.keys())
def test_what_is_not_certain_is_not_read(write: Write, source: str) -> None:
    """Whatever could make a flow something else than its source says leaves it to importing."""
    assert StaticFacts(ProjectModules(write({"flows.py": source}))).of("flows.py:work") is None


PLACES = {
    "a folder": ({"etl/flows.py": module()}, "etl/flows.py:work"),
    "a package": ({"etl/__init__.py": "", "etl/flows.py": module()}, "etl/flows.py:work"),
    "a module": ({"etl/__init__.py": "", "etl/flows.py": module()}, "etl.flows.work"),
    "a name of the standard library": ({"queue.py": module()}, "queue.py:work"),
    "a name of something installed": ({"dask/flows.py": module()}, "dask/flows.py:work"),
    "a name that is no identifier": ({"my-flows.py": module()}, "my-flows.py:work"),
}


@pytest.mark.parametrize(("files", "entrypoint"), PLACES.values(), ids=PLACES.keys())
def test_the_module_is_named_as_when_it_is_imported(write: Write, files: dict[str, str], entrypoint: str) -> None:
    """Wherever the file lies, the names of its module and file are those of the imported flow."""
    read, imported = both(write(files), entrypoint)
    assert read == imported


ELSEWHERE: dict[str, tuple[dict[str, str], str]] = {
    "an installed module": ({}, "prefect.flows.load_flow"),
    "a module that the project hides": (
        {"pydantic.py": "", "flows.py": module(before="from pydantic import Field", parameters="x=Field(default=1)")},
        "flows.py:work",
    ),
    "no such file": ({}, "nothing.py:work"),
    "no such function": ({"flows.py": module()}, "flows.py:wark"),
}


@pytest.mark.parametrize(("files", "entrypoint"), ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_what_lies_elsewhere_is_not_read(write: Write, files: dict[str, str], entrypoint: str) -> None:
    """What is not in the project, or what the project may hide, is left to importing and its errors."""
    assert StaticFacts(ProjectModules(write({**files, "other.py": ""}))).of(entrypoint) is None


def test_a_module_that_was_executed_is_not_read(write: Write) -> None:
    """Its flows are at hand, with all that they carry."""
    modules = ProjectModules(write({"flows.py": module()}))
    modules.load_flow("flows.py:work")
    assert StaticFacts(modules).of("flows.py:work") is None


def test_a_flow_is_looked_at_once_in_a_deploy(write: Write) -> None:
    """All deployments of a flow share what is known of it."""
    flows = catalog_of(write({"flows.py": module()}), from_source=True)
    assert flows.of("flows.py:work") is flows.of("flows.py:work")


CONFIRMED = {
    "as its source says": ("", "work"),
    "not as its source says": ("import helper", "changed"),
    "not at all": ("1 / 0", None),
}


@pytest.mark.parametrize(("after", "name"), CONFIRMED.values(), ids=CONFIRMED.keys())
def test_what_is_written_is_imported_once(write: Write, after: str, name: str | None) -> None:
    """What was read is confirmed by importing, which counts where it says something else or fails."""
    ran = "with open(__file__ + '.ran', 'a') as mark: mark.write('x')"
    helper = "import flows\nflows.work.name = 'changed'"
    root = write({"flows.py": module(before=ran, after=after), "helper.py": helper})
    flows = catalog_of(root, from_source=True)

    flows.read(["flows.py:work"])
    assert flows.of("flows.py:work").facts.name == "work"
    assert not (root / "flows.py.ran").exists()

    assert flows.confirm(["flows.py:work"]) is (name == "work")
    flows.read(["flows.py:work"])
    if name is None:
        with pytest.raises(FlowImportError, match="division"):
            flows.of("flows.py:work")
    else:
        assert flows.of("flows.py:work").facts.name == name
        assert flows.confirm(["flows.py:work"])
    assert (root / "flows.py.ran").read_text() == "x"
