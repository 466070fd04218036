"""Loading a project's code: once per file, and apart from everything else in the process."""

from __future__ import annotations

import importlib
import pickle
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import ModuleType

import pytest
from prefect.serializers import PickleSerializer

from meta_prefect.errors import FlowImportError, FlowNotFoundError, ProjectFileError
from meta_prefect.flows import ProjectModules, load_flow
from meta_prefect.flows.import_hook import ProjectFinder

Write = Callable[[Mapping[str, str]], Path]

COUNT = "import pathlib\nwith pathlib.Path(__file__).with_suffix('.ran').open('a') as mark: mark.write('x')\n"
FLOW = "from prefect import flow\n@flow\ndef etl(): return 1\nclass Item: ...\n"


@pytest.fixture(autouse=True)
def no_traces() -> Generator[None]:
    """Prove after each test that nothing of the project is left in the process."""
    path, modules = list(sys.path), dict(sys.modules)
    yield
    assert sys.path == path
    assert not [finder for finder in sys.meta_path if isinstance(finder, ProjectFinder)]
    left = {name for name, one in list(sys.modules.items()) if "pytest-of" in str(vars(one).get("__file__"))}
    assert left <= modules.keys()
    assert {name for name, one in modules.items() if sys.modules.get(name) is not one} == set()


def executions(root: Path) -> dict[str, int]:
    """Count how often each file that leaves marks was executed."""
    return {mark.relative_to(root).with_suffix(".py").as_posix(): len(mark.read_text()) for mark in root.rglob("*.ran")}


FORMS = {
    "a script": ("flow.py:etl", "flow.py", "flow"),
    "a plain folder": ("jobs/etl.py:etl", "jobs/etl.py", "jobs.etl"),
    "plain folders, deep down": ("a/b/c/d/e/f.py:etl", "a/b/c/d/e/f.py", "a.b.c.d.e.f"),
    "a package": ("pkg/deep/etl.py:etl", "pkg/deep/etl.py", "pkg.deep.etl"),
    "a module": ("pkg.deep.etl.etl", "pkg/deep/etl.py", "pkg.deep.etl"),
    "a package's own file": ("pkg/__init__.py:etl", "pkg/__init__.py", "pkg"),
    "a name that is no identifier": ("my-flow.py:etl", "my-flow.py", "my-flow"),
    "a name with dots": ("my.flow.py:etl", "my.flow.py", None),
    "a folder with dots": ("v1.2/etl.py:etl", "v1.2/etl.py", None),
    "a name of the standard library": ("queue.py:etl", "queue.py", None),
    "a folder named like a standard module": ("json/etl.py:etl", "json/etl.py", None),
    "a folder named like an installed package": ("yaml/etl.py:etl", "yaml/etl.py", None),
    "a file named like an installed package": ("pathspec.py:etl", "pathspec.py", "pathspec"),
    "a folder named like its file": ("etl/etl.py:etl", "etl/etl.py", None),
    "a module beside a package of its name": ("pkg.py:etl", "pkg.py", None),
}


@pytest.mark.parametrize(("entrypoint", "file", "module"), FORMS.values(), ids=FORMS.keys())
def test_any_file_loads_under_a_sensible_name(write: Write, entrypoint: str, file: str, module: str | None) -> None:
    """A module has its dotted name from the project's folder, or one of its own where that name means something else."""
    root = write({file: FLOW, "pkg/__init__.py": FLOW if file == "pkg/__init__.py" else ""})
    modules = ProjectModules(root)
    flow = modules.load_flow(entrypoint)
    assert flow is modules.load_flow(entrypoint)
    assert flow.fn.__code__.co_filename == str(root / file)
    assert module is None or flow.fn.__module__ == module
    item = modules.load(entrypoint.removesuffix("etl") + "Item")
    assert item.__module__ == flow.fn.__module__
    with modules.imported():
        assert pickle.loads(pickle.dumps(item)) is item  # noqa: S301 - our own
        assert PickleSerializer().loads(PickleSerializer().dumps(flow)).fn() == 1
    assert not list(root.rglob("__pycache__"))


def test_class_attributes_are_loaded(write: Write) -> None:
    """An entrypoint leads through classes to static and class methods."""
    root = write(
        {
            "f.py": "from prefect import flow\nclass A:\n  class B:\n    @staticmethod\n    @flow\n    def a(): ...\n"
            "  @classmethod\n  @flow\n  def b(cls): ...\n"
        }
    )
    modules = ProjectModules(root)
    assert [modules.load_flow(f"f.py:{path}").name for path in ("A.B.a", "A.b")] == ["a", "b"]


def test_a_file_is_executed_once_whatever_it_is_called(write: Write) -> None:
    """Entrypoints, absolute and relative imports, and imports of a script's neighbours all give the same module."""
    root = write(
        {
            "shared.py": COUNT,
            "jobs/helpers.py": f"{COUNT}import shared\nclass Item: ...\n",
            "jobs/a.py": f"{COUNT}import helpers\nfrom jobs.helpers import Item as Other\n{FLOW}same = helpers.Item is Other\n",
            "jobs/b.py": f"{COUNT}import a, shared, jobs.a\n{FLOW}same = a is jobs.a\n",
            "pkg/__init__.py": COUNT,
            "pkg/c.py": f"{COUNT}from . import d\nfrom .d import x\nimport pkg.d\n{FLOW}same = d is pkg.d\n",
            "pkg/d.py": f"{COUNT}from pkg import c\nx = 1\n",
        }
    )
    modules = ProjectModules(root)
    for entrypoint in ("jobs/a.py", "jobs/b.py", "pkg/c.py", "jobs/a.py"):
        assert modules.load(f"{entrypoint}:same") is True
        modules.load_flow(f"{entrypoint}:etl")
    modules.load_module("shared")
    modules.load_module("jobs.helpers")
    assert executions(root) == dict.fromkeys(
        ["shared.py", "jobs/helpers.py", "jobs/a.py", "jobs/b.py", "pkg/__init__.py", "pkg/c.py", "pkg/d.py"], 1
    )


def test_a_package_with_a_module_of_its_name_stays_a_package(write: Write) -> None:
    """In ``etl/etl.py`` of a package ``etl`` both ``etl.utils`` and ``.utils`` are the neighbour; plain folders do as well."""
    source = f"{COUNT}from .utils import x\nimport etl.utils\nsame = etl.utils.x is x\n"
    for top in ("package", "plain"):
        root = write({f"{top}/etl/etl.py": source, f"{top}/etl/utils.py": f"{COUNT}x = object()\n"}) / top
        if top == "package":
            (root / "etl" / "__init__.py").touch()
        assert ProjectModules(root).load("etl/etl.py:same") is True
        assert executions(root) == {"etl/etl.py": 1, "etl/utils.py": 1}


def test_equally_named_modules_never_meet(write: Write) -> None:
    """Two projects, and two script folders of one project, each get their own ``utils``, also when loads are nested."""
    files = {
        f"{project}/{folder}{file}": content
        for project in ("one", "two")
        for folder in ("", "a/", "b/")
        for file, content in {
            "utils.py": f"{COUNT}NAME = '{project}/{folder}'\n",
            "flows.py": f"{COUNT}import utils\n{FLOW}NAME = utils.NAME\n",
        }.items()
    }
    root = write(files)
    one, two = ProjectModules(root / "one"), ProjectModules(root / "two")
    with one.imported():
        import utils  # pyright: ignore[reportMissingImports]

        assert utils.NAME == "one/"  # pyright: ignore[reportUnknownMemberType]
        for _ in range(2):
            for folder in ("", "a/", "b/"):
                assert two.load(f"{folder}flows.py:NAME") == f"two/{folder}"
                assert one.load(f"{folder}flows.py:NAME") == f"one/{folder}"
        with two.imported():
            assert sys.modules["utils"].NAME == "two/"
        assert sys.modules["utils"] is utils
        assert str(root / "two") not in sys.path
    assert set(executions(root).values()) == {1}
    assert len(executions(root)) == len(files)


def test_what_others_imported_is_put_aside(write: Write) -> None:
    """A module that the process has imported under a name of the project is neither used nor lost."""
    foreign = ModuleType("flow")
    sys.modules["flow"] = foreign
    try:
        assert load_flow(write({"flow.py": FLOW}), "flow.py:etl").name == "etl"
        assert sys.modules["flow"] is foreign
    finally:
        del sys.modules["flow"]


def test_libraries_stay_in_the_process(write: Write) -> None:
    """What a project imports from elsewhere is imported for good, also from an environment inside of the project's folder."""
    import sysconfig

    root = Path(sysconfig.get_path("purelib")).parents[2]
    modules = ProjectModules(root)
    with modules.imported():
        import yaml
    assert sys.modules["yaml"] is yaml
    folder = write({"f.py": f"import wave\n{FLOW}"})
    load_flow(folder, "f.py:etl")
    assert sys.modules.pop("wave").__name__ == "wave"


def test_a_package_installed_in_place_has_its_installed_name(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package below ``src`` that Python imports from there keeps its name, and what the process has of it already is used."""
    root = write(
        {"src/acme_etl/__init__.py": COUNT, "src/acme_etl/a.py": COUNT + FLOW, "src/acme_etl/b.py": COUNT + FLOW}
    )
    monkeypatch.setattr(sys, "path", [str(root / "src"), *sys.path])
    modules = ProjectModules(root)
    assert modules.load_flow("src/acme_etl/a.py:etl") is modules.load_flow("acme_etl.a.etl")
    assert modules.load_flow("src/acme_etl/a.py:etl").fn.__module__ == "acme_etl.a"
    assert executions(root) == {"src/acme_etl/__init__.py": 1, "src/acme_etl/a.py": 1}
    try:
        by_process = importlib.import_module("acme_etl.b")
        assert ProjectModules(root).load_flow("src/acme_etl/b.py:etl") is by_process.etl
        assert sys.modules["acme_etl.b"] is by_process
    finally:
        for name in ("acme_etl", "acme_etl.a", "acme_etl.b"):
            sys.modules.pop(name, None)


def test_changes_of_the_path_last_for_the_project(write: Write) -> None:
    """A folder that a module puts on ``sys.path`` is there again when the project's code imports later on."""
    source = (
        "import sys, os\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'lib'))\n"
        "def late():\n  import deep\n  return deep.X\n"
    )
    modules = ProjectModules(write({"f.py": source, "lib/deep.py": f"{COUNT}X = 1\n"}))
    late = modules.load("f.py:late")
    for _ in range(2):
        with modules.imported():
            assert late() == 1
    assert executions(modules.root) == {"lib/deep.py": 1}


def test_threads_take_turns(write: Write) -> None:
    """Two threads that load two projects do not see each other's modules."""
    root = write(
        {
            f"{name}/{file}": content
            for name in ("one", "two")
            for file, content in {"utils.py": f"NAME = '{name}'\n", "f.py": "import utils\nNAME = utils.NAME\n"}.items()
        }
    )
    results: dict[str, set[str]] = {"one": set(), "two": set()}

    def load(name: str) -> None:
        for _ in range(20):
            results[name].add(ProjectModules(root / name).load("f.py:NAME"))

    threads = [threading.Thread(target=load, args=(name,)) for name in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert results == {"one": {"one"}, "two": {"two"}}


FAILING = {
    "an exception": (
        {"f.py": "import helper\n", "helper.py": "def boom():\n    raise ValueError('no such table')\n\nboom()\n"},
        "f.py failed when it was loaded:\n    f.py:1: import helper\n    helper.py:4: boom()\n"
        "    helper.py:2: raise ValueError('no such table')\n    ValueError: no such table\n"
        "  A flow's module is imported to deploy it",
    ),
    "a missing package": (
        {"f.py": "x = 1\nimport no_such_package.part\n"},
        "    f.py:2: import no_such_package.part\n    ModuleNotFoundError: No module named 'no_such_package'\n"
        "  Install 'no_such_package' where you deploy",
    ),
    "a package in src": (
        {"f.py": "import acme.etl\n", "src/acme/etl.py": ""},
        "'acme' lies in src/: install the project",
    ),
    "a syntax error": (
        {"f.py": "import helper\n", "helper.py": "x = 1\ndef (\n"},
        "    f.py:1: import helper\n    helper.py:2: def (\n    SyntaxError: invalid syntax\n  Fix the syntax error.",
    ),
    "an exit": (
        {"f.py": "import sys\nsys.exit(3)\n"},
        "    f.py:2: sys.exit(3)\n    SystemExit: 3\n  A module must not exit",
    ),
    "an exception in a library": (
        {"f.py": "import json\njson.loads('{')\n"},
        "loaded:\n    f.py:2: json.loads('{')\n    json.decoder.JSONDecodeError: Expecting property name",
    ),
    "a name that cannot be imported": (
        {"f.py": "from helper import nothing\n", "helper.py": ""},
        "ImportError: cannot import name 'nothing' from 'helper'",
    ),
}


@pytest.mark.parametrize(("files", "message"), FAILING.values(), ids=FAILING.keys())
def test_a_failing_module_is_explained_by_its_own_lines(write: Write, files: Mapping[str, str], message: str) -> None:
    """The error shows the user's own lines and the exception, no frames of ours or of libraries, and what to do."""
    modules = ProjectModules(write(files))
    for _ in range(2):
        with pytest.raises(FlowImportError) as failed:
            modules.load("f.py:etl", where="meta_prefect.yaml:3:7: deployments.etl[0]")
        text = str(failed.value)
        assert text.startswith("meta_prefect.yaml:3:7: deployments.etl[0]: f.py failed when it was loaded:\n")
        assert message in text
        assert "importlib" not in text
        assert "discovery" not in text


def test_a_failing_module_is_executed_once(write: Write) -> None:
    """What failed is not tried again: whoever needs it gets the same exception, with his own lines."""
    root = write({"bad.py": f"{COUNT}raise ValueError('x')\n", "a.py": "import bad\n", "b.py": "\nimport bad\n"})
    modules = ProjectModules(root)
    for name, line in (("a", 1), ("b", 2), ("a", 1)):
        with pytest.raises(FlowImportError, match=f"{name}.py:{line}: import bad\n    bad.py:3: raise") as failed:
            modules.load(f"{name}.py:etl")
        assert str(failed.value).count("import bad") == 1
    assert executions(root) == {"bad.py": 1}


def test_an_interrupt_passes(write: Write) -> None:
    """Ctrl-C while a module is loaded ends the deploy, and leaves the process clean."""
    modules = ProjectModules(write({"f.py": "raise KeyboardInterrupt\n"}))
    with pytest.raises(KeyboardInterrupt):
        modules.load("f.py:etl")


NO_FLOW = {
    "no attribute": ("f.py:elt", "'f.py:elt': there is no 'elt'\n  Did you mean 'etl'?"),
    "a function": ("f.py:plain", "'f.py:plain' is a function, not a flow"),
    "a value": ("f.py:number", "'f.py:number' is of type 'int', not a flow"),
    "no attribute of a class": ("f.py:C.x", "'f.py:C.x': there is no 'x'"),
    "no file": ("g.py:etl", "there is no file 'g.py'"),
    "no module": ("nothing.here.etl", "there is no module 'nothing.here'"),
    "outside": ("../f.py:etl", "'../f.py' lies outside of the project's folder"),
}


@pytest.mark.parametrize(("entrypoint", "message"), NO_FLOW.values(), ids=NO_FLOW.keys())
def test_what_is_no_flow_is_explained(write: Write, entrypoint: str, message: str) -> None:
    """An entrypoint that leads to nothing, or to no flow, says what it leads to."""
    modules = ProjectModules(write({"f.py": f"{FLOW}def plain(): ...\nnumber = 1\nclass C: ...\n"}))
    with pytest.raises(FlowNotFoundError) as failed:
        modules.load_flow(entrypoint)
    assert message in str(failed.value)


def test_recipe_modules_come_from_the_project_first(write: Write) -> None:
    """A module is loaded from the project's folder, else from what is installed; a missing one is an error of the file."""
    root = write({"recipes.py": "X = 1\n", "acme/recipes.py": "X = 2\n", "broken.py": "1 / 0\n"})
    modules = ProjectModules(root)
    assert [modules.load_module(name).X for name in ("recipes", "acme.recipes")] == [1, 2]
    assert modules.load_module("textwrap").dedent(" x") == "x"
    where = "meta_prefect.yaml:1:11: recipes[0]"
    with pytest.raises(ProjectFileError) as failed:
        modules.load_module("recipe", where=where)
    assert str(failed.value).startswith(f"{where}: there is no module 'recipe'")
    assert str(failed.value).endswith("Did you mean 'recipes'?")
    with pytest.raises(FlowImportError, match=r"broken failed when it was loaded:\n    broken.py:1: 1 / 0"):
        modules.load_module("broken")


def test_our_own_packages_are_never_doubled(write: Write) -> None:
    """A project that brings files named like Meta-Prefect's packages still meets the one that deploys it."""
    root = write({"meta_prefect/__init__.py": "", "f.py": f"import meta_prefect\n{FLOW}same = meta_prefect\n"})
    import meta_prefect

    assert ProjectModules(root).load("f.py:same") is meta_prefect
