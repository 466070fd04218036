"""Files and modules that a project names: only its own, only regular ones, and none that has no end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from values import a_context, a_deployment, a_flow

from meta_prefect.errors import ConfigurationError, MetaPrefectError, ScheduleError, ValidationFailed
from meta_prefect.files import place_in, read_regular
from meta_prefect.flows.entrypoints import check_module, file_in_project
from meta_prefect.flows.files import python_files
from meta_prefect.flows.loader import ProjectModules
from meta_prefect.implementations.code.built_image import ImageBuild, built_image
from meta_prefect.implementations.code.files import content_hash, project_files
from meta_prefect.project import read_project
from meta_prefect.project.naming import project_name
from meta_prefect.schedules import make_calendar
from meta_prefect.schedules.spec import CalendarSpec

OUTSIDE = "lies outside of the project's folder"
CALENDAR = """
from meta_prefect.schedules.calendars import ListedCalendar
import pathlib
pathlib.Path(__file__).with_name("imported").touch()
days = ListedCalendar({})
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project beside which there are files of others, with links that lead to them."""
    project, others = tmp_path / "project", tmp_path / "others"
    for folder in (project / "own", others):
        folder.mkdir(parents=True)
    (others / "evil.py").write_text(CALENDAR)
    (others / "days.ics").write_text("SECRET OF OTHERS")
    (others / "Dockerfile").write_text("FROM scratch")
    (project / "own" / "days.py").write_text(CALENDAR)
    (project / "linked").symlink_to(others)
    (project / "file.py").symlink_to(others / "evil.py")
    (project / "loop").symlink_to("loop")
    (project / "loop.py").symlink_to("loop.py")
    (project / "loop.ics").symlink_to("loop.ics")
    (project / "zero.ics").symlink_to("/dev/zero")
    os.mkfifo(project / "pipe.ics")
    os.mkfifo(project / "pipe.py")
    return project


@pytest.mark.parametrize(
    ("ics", "says"),
    [
        ("/dev/zero", OUTSIDE),
        ("/proc/self/environ", OUTSIDE),
        ("../others/days.ics", OUTSIDE),
        ("linked/days.ics", OUTSIDE),
        ("zero.ics", OUTSIDE),
        ("pipe.ics", "it is not a regular file"),
        ("own", "it is not a regular file"),
        ("loop.ics", "cannot be read"),
        ("missing.ics", "cannot be read: No such file"),
        ("a\0b.ics", OUTSIDE),
    ],
)
def test_calendars_are_files_of_the_project(root: Path, ics: str, says: str) -> None:
    """What is no such file is refused at once, and nothing of it is quoted."""
    with pytest.raises(ScheduleError, match=says) as error:
        make_calendar(CalendarSpec(ics=ics), base_dir=root)
    assert "SECRET" not in str(error.value)
    assert os.environ["PATH"] not in str(error.value)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("FREQ=SECONDLY", "recurs more often than once a day"),
        ("FREQ=DAILY;INTERVAL=0", "recurs after an interval below 1"),
    ],
)
def test_a_calendar_without_end_is_refused(root: Path, rule: str, says: str) -> None:
    """Rules that would be followed for hours, or never end, are refused within seconds."""
    event = f"BEGIN:VEVENT\r\nDTSTART:20260101T000000\r\nRRULE:{rule}\r\nEND:VEVENT"
    (root / "days.ics").write_text(f"BEGIN:VCALENDAR\r\n{event}\r\nEND:VCALENDAR\r\n")
    with pytest.raises(ScheduleError, match=says) as error:
        make_calendar(CalendarSpec(ics="days.ics"), base_dir=root)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("path", ["linked.evil:days", "linked.evil.days", "file:days"])
def test_calendars_are_modules_of_the_project(root: Path, path: str) -> None:
    """A module to which a link leads out of the project is not imported; the project's own is."""
    modules = ProjectModules(root)
    with modules.imported():
        with pytest.raises(ScheduleError, match=OUTSIDE):
            make_calendar(CalendarSpec(python=path), base_dir=root)
        assert make_calendar(CalendarSpec(python="own.days:days"), base_dir=root) is not None
    assert not (root.parent / "others" / "imported").exists()
    assert (root / "own" / "imported").exists()


NAMED: dict[str, Callable[[ProjectModules], object]] = {
    "a recipe module": lambda modules: modules.load_module("linked.evil"),
    "a module of a flow": lambda modules: modules.load("linked.evil.days"),
    "a file of a flow": lambda modules: modules.load("linked/evil.py:days"),
    "a link to a file": lambda modules: modules.load("file.py:days"),
    "a link onto itself": lambda modules: modules.load("loop.py:days"),
    "a module that is a link onto itself": lambda modules: modules.load_module("loop"),
    "a pipe": lambda modules: modules.load("pipe.py:days"),
    "a file above": lambda modules: modules.load("../others/evil.py:days"),
    "a zero byte": lambda modules: modules.load("a\0b.py:days"),
}


@pytest.mark.parametrize("load", NAMED.values(), ids=NAMED.keys())
def test_code_is_taken_from_the_project(root: Path, load: Callable[[ProjectModules], object]) -> None:
    """What a project names and is not its own is an error in words, and is not executed."""
    with pytest.raises(MetaPrefectError):
        load(ProjectModules(root))
    assert not (root.parent / "others" / "imported").exists()


def test_packages_that_installers_link_are_installed_ones(tmp_path: Path) -> None:
    """A virtual environment in the project may hold links into a store of packages."""
    store, installed = tmp_path / "store", tmp_path / "project" / ".venv" / "lib" / "site-packages"
    store.mkdir()
    installed.mkdir(parents=True)
    (store / "linked_package.py").write_text("x = 1")
    (installed / "linked_package.py").symlink_to(store / "linked_package.py")
    sys.path.insert(0, str(installed))
    try:
        check_module(tmp_path / "project", "linked_package")
    finally:
        sys.path.remove(str(installed))


def test_a_project_is_listed_without_what_is_not_its_own(root: Path) -> None:
    """Links out of it, links onto themselves and pipes are neither flows nor part of a copy of it."""
    assert [file.relative_to(root).as_posix() for file in python_files(root)] == ["own/days.py"]
    assert [file.as_posix() for file in project_files(root)] == ["own/days.py"]
    assert content_hash(str(root), "deploy 1")


@pytest.mark.parametrize("name", [".gitignore", ".prefectignore", "pyproject.toml", ".git"])
def test_a_device_under_a_well_known_name_is_not_read(root: Path, name: str) -> None:
    """What has no end is passed over, or named."""
    (root / name).symlink_to("/dev/zero")
    assert python_files(root)
    if name == "pyproject.toml":
        with pytest.raises(MetaPrefectError, match=r"pyproject\.toml: it cannot be read: .*not a regular file"):
            project_name(root)
    else:
        assert project_name(root) == ("project", False)


@pytest.mark.parametrize(
    "build",
    [
        ImageBuild(context="linked"),
        ImageBuild(dockerfile="linked/Dockerfile"),
        ImageBuild(context="loop"),
        ImageBuild(dockerfile="a\0b"),
        ImageBuild(dockerfile="a" * 5000),
    ],
    ids=["context", "Dockerfile", "a link onto itself", "a zero byte", "a long name"],
)
def test_images_are_built_from_the_project(root: Path, build: ImageBuild) -> None:
    """A Dockerfile or a folder outside of it is refused before anything is built."""
    builder = built_image(image="registry.example/shop", build=build)
    deployment = a_deployment(flow=a_flow(source=str(root)), context=a_context(source=str(root)))
    with pytest.raises(ConfigurationError, match=r"leads out of|there is no"):
        builder.update_deployment(deployment)


def test_an_endless_project_file_is_refused(tmp_path: Path) -> None:
    """It is not read beyond what a project file may hold."""
    file = tmp_path / "meta_prefect.yaml"
    with file.open("wb") as opened:
        opened.truncate(1 << 34)
    with pytest.raises(ValidationFailed, match="it is larger than 10,485,760 bytes"):
        read_project(file)


def test_places_follow_links(root: Path) -> None:
    """A link within the project is fine, one that leads out and back in as well."""
    (root / "alias.py").symlink_to("own/days.py")
    assert place_in(root, "alias.py") == root / "alias.py"
    assert file_in_project(root, str(root / "own" / "days.py")) == root / "own" / "days.py"
    assert place_in(root, "linked/../project/own/days.py") == root / "project/own/days.py"
    assert place_in(root, "../project/own/days.py") == root / "own/days.py"
    assert read_regular(root / "alias.py") == CALENDAR.encode()
