"""What is remembered of flows between deploys, and everything that makes it forgotten."""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import prefect
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meta_prefect.discovery import ProjectModules, remembering, surroundings
from meta_prefect.discovery.remembering import FlowMemory, memory_of
from meta_prefect.errors import ConfigurationError
from meta_prefect.interfaces.deployment import FlowFacts
from meta_prefect.recipes.knowing import KnownFlows, flows_of

pytestmark = pytest.mark.usefixtures("process_that_begins_now")

Write = Callable[[Mapping[str, str]], Path]

FLOW = """
import json, os, pathlib
from datetime import date
with open("{ran}", "a") as mark: mark.write("x")
import common, helper
from prefect import flow

HERE = pathlib.Path(__file__).parent

@flow
def work(
    own: str = "old",
    helped: str = helper.VALUE,
    configured: str = json.loads((HERE / "config.json").read_text()),
    said: str = os.environ.get("SAID", "old"),
    shared: str = common.VALUE,
    read: str = pathlib.Path("{outside}").read_text(),
    found: str = ",".join(sorted(os.listdir("{folder}"))),
    day: date = date.today(),
) -> None:
    '''Work.'''
"""


class World:
    """A project whose flow depends on much, and what is around it.

    Args:
        folder: A folder of the test's own.
        write: Writes the project's files.
    """

    def __init__(self, folder: Path, write: Write) -> None:
        self.memories = folder / "memories"
        self.memories.mkdir()
        self.ran = folder / "ran"
        self.outside = folder / "outside.txt"
        self.listed = folder / "listed"
        self.listed.mkdir()
        os.utime(self.listed, (1, 1))
        self.libs = folder / "libs"
        self.libs.mkdir()
        self.put(self.outside, "old")
        self.put(self.libs / "common.py", "VALUE = 'old'")
        flow = FLOW.format(ran=self.ran, outside=self.outside, folder=self.listed)
        self.root = write({"flow.py": flow, "helper.py": "VALUE = 'old'\n", "config.json": '"old"'})

    def put(self, file: Path, text: str) -> None:
        """Write a file before this process began: what is outside of the project and younger than that is not trusted."""
        before = file.stat().st_mtime_ns if file.exists() else 1
        file.write_text(text)
        os.utime(file, ns=(before + 10**10, before + 10**10))
        os.utime(file.parent, (1, 1))

    def add(self, name: str, text: str) -> None:
        """Add a file to the project."""
        file = self.root / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file of the project."""
        file = self.root / name
        file.write_text(file.read_text().replace(old, new))

    @property
    def imports(self) -> int:
        """How often the flow's module has been imported so far."""
        return len(self.ran.read_text()) if self.ran.exists() else 0

    def defaults(self) -> dict[str, Any]:
        """The defaults of the flow's parameters, as a deploy learns them."""
        return defaults_of(looked_at(self.root, self.memories, "flow.py:work")["flow.py:work"])


def defaults_of(facts: FlowFacts) -> dict[str, Any]:
    """The defaults of a flow's parameters."""
    return {name: one.get("default") for name, one in facts.parameter_schema["properties"].items()}


def looked_at(root: Path, memories: Path | None, *entrypoints: str) -> dict[str, FlowFacts]:
    """What one deploy in a process of its own learns of some flows."""
    sys.modules.pop("common", None)
    modules = ProjectModules(root, FlowMemory(root.resolve(), memories) if memories is not None else None)
    flows = KnownFlows(modules)
    flows.recall(entrypoints)
    try:
        return {one: flows.of(one).facts for one in entrypoints}
    finally:
        flows.keep()


@pytest.fixture
def world(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> World:
    """A project that has been deployed once."""
    made = World(tmp_path, write)
    monkeypatch.setattr(sys, "path", [str(made.libs), *sys.path])
    monkeypatch.setattr(surroundings, "_UNREAD_PREFIXES", (*surroundings._UNREAD_PREFIXES, "PYTEST_CURRENT"))  # pyright: ignore[reportPrivateUsage]
    made.defaults()
    return made


def test_an_unchanged_project_is_not_imported_again(world: World) -> None:
    """What was learned is the same as what importing gives, and no module of the project runs for it."""
    remembered = looked_at(world.root, world.memories, "flow.py:work")
    assert world.imports == 1
    assert remembered == looked_at(world.root, None, "flow.py:work")
    assert (world.imports, defaults_of(remembered["flow.py:work"])["day"]) == (2, surroundings.day()[:10])


CHANGES: dict[str, tuple[Callable[[World], None], dict[str, str]]] = {
    "the flow's file": (lambda w: w.edit("flow.py", '"old",\n    helped', '"new",\n    helped'), {"own": "new"}),
    "another module": (lambda w: w.edit("helper.py", "old", "new"), {"helped": "new"}),
    "a file that is read": (lambda w: w.edit("config.json", "old", "new"), {"configured": "new"}),
    "a package that hides a module": (
        lambda w: w.add("helper/__init__.py", "VALUE = 'new'"),
        {"helped": "new"},
    ),
    "a module installed in place": (lambda w: w.put(w.libs / "common.py", "VALUE = 'new'"), {"shared": "new"}),
    "a file outside of the project": (lambda w: w.put(w.outside, "new"), {"read": "new"}),
    "a folder outside of the project": (lambda w: w.put(w.listed / "new", ""), {"found": "new"}),
    "a module of the project that hides one from outside": (
        lambda w: w.add("common.py", "VALUE = 'new'"),
        {"shared": "new"},
    ),
    "a new module beside one from outside": (lambda w: w.put(w.libs / "other.py", ""), {}),
    "an empty folder": (lambda w: (w.root / "empty").mkdir(), {}),
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_any_change_of_a_file_is_seen(world: World, change: Callable[[World], None], expected: dict[str, str]) -> None:
    """Flows are imported again after a change of anything that was or could be read, and remembered anew."""
    before = world.defaults()
    change(world)
    assert world.defaults() == before | expected
    assert world.imports == 2
    assert world.defaults() == before | expected
    assert world.imports == 2


AROUND: dict[str, Callable[[pytest.MonkeyPatch, Path], None]] = {
    "the environment": lambda patch, _: patch.setenv("SAID", "new"),
    "the day": lambda patch, _: patch.setattr(surroundings, "day", lambda: "tomorrow"),
    "Python": lambda patch, _: patch.setattr(sys, "version", "3.99"),
    "Prefect": lambda patch, _: patch.setattr(prefect, "__version__", "3.99"),
    "the interpreter": lambda patch, _: patch.setattr(sys, "executable", "/usr/bin/another"),
    "the working directory": lambda patch, folder: patch.chdir(folder),
    "where modules come from": lambda patch, folder: patch.setattr(sys, "path", [*sys.path, str(folder)]),
}


@pytest.mark.parametrize("change", AROUND.values(), ids=AROUND.keys())
def test_any_change_around_the_project_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: Callable[[pytest.MonkeyPatch, Path], None]
) -> None:
    """Flows are imported again where something else would import them."""
    change(monkeypatch, tmp_path)
    assert world.defaults()["said"] == os.environ.get("SAID", "old")
    assert world.imports == 2


def test_installing_something_is_seen(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that comes or goes changes the time of its folder."""
    packages = tmp_path / "site-packages"
    packages.mkdir()
    os.utime(packages, (1, 1))
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages)])
    for _ in range(2):
        world.defaults()
    assert world.imports == 2
    os.utime(packages, (2, 2))
    world.defaults()
    assert world.imports == 3


@pytest.mark.parametrize("name", ["SHLVL", "TERM_SESSION_ID", "SSH_CONNECTION", "PREFECT__FLOW_RUN_ID", "OLDPWD"])
def test_what_differs_between_shells_does_not_count(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Variables that say which shell, terminal or run this is are no reason to import again."""
    monkeypatch.setenv(name, "another")
    world.defaults()
    assert world.imports == 1


CHANGING = {
    "the clock": "from datetime import datetime\nVALUE = datetime.now().isoformat()",
    "a function that asks the clock": "import time\ndef start():\n  return time.time()\nVALUE = str(start())",
    "chance": "import uuid\nVALUE = str(uuid.uuid4())",
    "a model made by chance": (
        "import uuid\nfrom pydantic import BaseModel, Field\n"
        "class Model(BaseModel):\n  id: str = Field(default_factory=lambda: str(uuid.uuid4()))\nVALUE = Model().id"
    ),
    "another process": "import subprocess\nVALUE = subprocess.check_output(['date', '+%N'], text=True)",
    "a moment from elsewhere": "import pandas_like\nVALUE = pandas_like.TODAY",
}


@pytest.mark.parametrize("helper", CHANGING.values(), ids=CHANGING.keys())
def test_what_changes_by_itself_is_not_remembered(world: World, helper: str) -> None:
    """A module that is something else each time it is imported is imported at every deploy."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 60)) if time.gmtime().tm_hour else "2026"
    world.put(world.libs / "pandas_like.py", f"TODAY = {now!r}")
    world.edit("helper.py", "VALUE = 'old'", helper)
    for _ in range(2):
        world.defaults()
    assert world.imports == 3 or now == "2026"


STEADY = {
    "the clock in a flow": "import time\ndef run():\n  return time.time()\nVALUE = 'new'",
    "a model whose instances are made later": (
        "import uuid\nfrom pydantic import BaseModel, Field\n"
        "class Model(BaseModel):\n  id: str = Field(default_factory=uuid.uuid4)\nVALUE = 'new'"
    ),
    "a time of the day": "from datetime import time\nVALUE = str(time(9, 30))",
    "lines that only a script runs": "if __name__ == '__main__':\n  import uuid\n  uuid.uuid4()\nVALUE = 'new'",
    "a log": "import logging\nlogging.FileHandler('{log}').close()\nVALUE = 'new'",
}


@pytest.mark.parametrize("helper", STEADY.values(), ids=STEADY.keys())
def test_what_runs_later_does_not_count(world: World, tmp_path: Path, helper: str) -> None:
    """What a function does when the flow runs, and files that are only written, say nothing about what a flow is."""
    world.edit("helper.py", "VALUE = 'old'", helper.format(log=tmp_path / "a.log"))
    for _ in range(2):
        world.defaults()
    assert world.imports == 2


BUILDERS = "\nfrom meta_prefect.implementations.metadata import describer\nwork = describer(text='Mine.')(work)\n"


def test_flows_that_carry_builders_are_always_imported(world: World) -> None:
    """A builder is an object of its module, so that the module has to run."""
    file = world.root / "flow.py"
    file.write_text(file.read_text() + BUILDERS)
    for _ in range(2):
        world.defaults()
    assert world.imports == 3


def test_all_flows_are_remembered_or_none(world: World) -> None:
    """One flow that has to be imported lets all be, in the order of the deploy, as what one leaves behind may concern others."""
    (world.root / "other.py").write_text("import os\nfrom prefect import flow\n@flow\ndef other(): ...\n" + BUILDERS)
    world.edit("other.py", "(work)", "(other)")
    world.edit("other.py", "work =", "other =")
    for _ in range(2):
        looked_at(world.root, world.memories, "flow.py:work", "other.py:other")
    assert world.imports == 3


def test_one_flow_of_many_is_remembered(world: World) -> None:
    """A deploy of some flows is answered for by what one of all has learned; one of more flows learns the rest."""
    (world.root / "other.py").write_text("from prefect import flow\n@flow\ndef other(): ...\n")
    both = looked_at(world.root, world.memories, "flow.py:work", "other.py:other")
    assert world.imports == 2
    assert looked_at(world.root, world.memories, "flow.py:work") == {"flow.py:work": both["flow.py:work"]}
    assert looked_at(world.root, world.memories, "other.py:other") == {"other.py:other": both["other.py:other"]}
    assert looked_at(world.root, world.memories, "other.py:other", "flow.py:work") == both
    assert world.imports == 2


def test_a_failure_is_not_remembered(world: World) -> None:
    """A module that fails is tried at every deploy, and says the same each time; what does not exist is said as ever."""
    world.edit("helper.py", "VALUE", "import nothing_of_that_name\nVALUE")
    told: set[str] = set()
    for _ in range(2):
        with pytest.raises(ConfigurationError) as failure:
            world.defaults()
        told.add(str(failure.value))
    assert len(told) == 1
    assert world.imports == 3
    with pytest.raises(ConfigurationError, match=r"no file 'gone\.py'"):
        looked_at(world.root, world.memories, "gone.py:work")


def test_files_that_change_during_a_deploy_are_not_remembered(world: World) -> None:
    """Facts count for the files that they were learned from."""
    world.edit("helper.py", "'old'", "'new'")
    flows = KnownFlows(ProjectModules(world.root, FlowMemory(world.root.resolve(), world.memories)))
    assert defaults_of(flows.of("flow.py:work").facts)["helped"] == "new"
    world.edit("helper.py", "'new'", "'newest'")
    flows.keep()
    assert world.defaults()["helped"] == "newest"


def test_what_this_process_has_loaded_before_it_was_changed_is_not_remembered(world: World) -> None:
    """A process that deploys again and again keeps an outside module as it was, so that its file says nothing of the facts."""
    for _ in range(2):
        (world.libs / "common.py").write_text("VALUE = 'new'")
        assert world.defaults()["shared"] == "new"
    assert world.imports == 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 99, "flows": {}}'])
def test_a_broken_memory_is_none(world: World, text: str) -> None:
    """A file that cannot be read, or of another version, is written anew."""
    (file,) = world.memories.iterdir()
    file.write_text(text)
    for _ in range(2):
        world.defaults()
    assert world.imports == 2


def test_a_memory_of_another_version_is_none(world: World) -> None:
    """What a later version of this package has kept means something else, perhaps."""
    (file,) = world.memories.iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": remembering.FORMAT + 1}))
    world.defaults()
    assert world.imports == 2


def test_a_place_that_cannot_be_written_is_no_error(world: World) -> None:
    """Deploys then import, as if there were no memory."""
    (file,) = world.memories.iterdir()
    file.unlink()
    world.memories.rmdir()
    world.memories.write_text("no folder")
    for _ in range(2):
        assert world.defaults()["own"] == "old"
    assert world.imports == 3


def test_nothing_of_the_environment_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is its owner's alone, and holds no value of a variable, nor a digest by which a value could be tried out."""
    monkeypatch.setenv("TOKEN", "s3cret-token")
    world.defaults()
    (file,) = world.memories.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "s3cret" not in file.read_text()
    assert "TOKEN" not in file.read_text()


def test_there_is_one_file_for_each_project(world: World, tmp_path: Path) -> None:
    """Projects do not mix, a change replaces the file, and files of projects that are gone go with the next that is written."""
    other = tmp_path / "another"
    other.mkdir()
    (other / "flow.py").write_text("from prefect import flow\n@flow\ndef work(mine: int = 1): ...\n")
    assert defaults_of(looked_at(other, world.memories, "flow.py:work")["flow.py:work"]) == {"mine": 1}
    assert world.defaults()["own"] == "old"
    assert len(list(world.memories.iterdir())) == 2
    (other / "flow.py").unlink()
    other.rmdir()
    world.edit("helper.py", "old", "new")
    world.defaults()
    assert len(list(world.memories.iterdir())) == 1


def test_a_project_of_very_many_files_is_not_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at them all would take longer than the imports."""
    monkeypatch.setattr(surroundings, "MOST_FILES", 2)
    world.defaults()
    assert world.imports == 2


def test_who_has_a_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deploy's flows have one unless the setting says no; temporary copies have none."""
    assert memory_of(tmp_path) is None
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert flows_of(tmp_path, remembered=True).modules.memory is not None
    monkeypatch.setenv("META_PREFECT__REMEMBER_FLOWS", "false")
    assert memory_of(tmp_path) is None


def test_a_flow_is_looked_at_once_in_a_deploy(write: Write) -> None:
    """All deployments of a flow share what is known of it."""
    root = write({"flow.py": "from prefect import flow\n@flow\ndef work(x: int = 1): ...\n"})
    flows = KnownFlows(ProjectModules(root))
    assert flows.of("flow.py:work") is flows.of("flow.py:work")


FILES: dict[str, list[str | None]] = {
    "flow.py": [
        "import helper\nfrom prefect import flow\n@flow\ndef work(x: str = helper.VALUE): ...\n",
        "import helper\nfrom prefect import flow\n@flow(name='other')\ndef work(y: str = helper.VALUE): 'Work.'\n",
        "from prefect import flow\n@flow\ndef work(x: int = 1): ...\n",
        "def work(): ...\n",
        "def work(:\n",
        None,
    ],
    "helper.py": [
        "VALUE = 'a'\n",
        "VALUE = 'b'\n",
        "import pathlib\nVALUE = (pathlib.Path(__file__).parent / 'data.txt').read_text()\n",
        "import os\nVALUE = os.environ.get('SAID', 'none')\n",
        "try:\n  from deep.inner import VALUE\nexcept ImportError:\n  VALUE = 'not there'\n",
        None,
    ],
    "helper/__init__.py": ["VALUE = 'package'\n", "from .inner import VALUE\n", None, None, None],
    "helper/inner.py": ["VALUE = 'inner'\n", None],
    "deep/inner.py": ["VALUE = 'deep'\n", "VALUE = 'deeper'\n", None],
    "data.txt": ["one", "two", None],
}
EDITS = st.sampled_from([(name, text) for name, texts in FILES.items() for text in texts] + [("", "a"), ("", "b")])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(EDITS, max_size=12))
def test_with_and_without_memory_is_the_same(edits: list[tuple[str, str | None]]) -> None:
    """Whatever is edited: facts and errors are those of a deploy that has no memory, at once and at a second look."""
    start = [(name, texts[0]) for name, texts in FILES.items() if not name.startswith("helper/")]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(folder, "project").resolve()
        memories = Path(folder, "memories")
        memories.mkdir()
        for name, text in [*start, *edits]:
            file = root / name
            if name == "":
                patch.setenv("SAID", str(text))
            elif text is None:
                file.unlink(missing_ok=True)
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            if (name, text) not in start[:-1]:
                wanted = _told(root, None)
                assert (_told(root, memories), _told(root, memories)) == (wanted, wanted)
                is_remembered = FlowMemory(root, memories).recall(["flow.py:work"]) is not None
                assert is_remembered == (not isinstance(wanted, str))


def _told(root: Path, memories: Path | None) -> Mapping[str, FlowFacts] | str:
    try:
        return looked_at(root, memories, "flow.py:work")
    except ConfigurationError as error:
        return str(error)
