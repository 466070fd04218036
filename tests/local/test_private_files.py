"""Who can read what lies in PREFECT_HOME."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from meta_prefect.local.private import make_private
from meta_prefect.local.profile import point_profile_at
from meta_prefect.local.server import LocalServer
from meta_prefect.local.worker import ensure_worker_process, stop_worker

FILES = (
    "prefect.db", "prefect.db-wal", "prefect.db.bak", "profiles.toml", "notes.txt", "meta-prefect/server/server.json",
    "meta-prefect/server/server.log.1", "meta-prefect/workers/etl.log", "meta-prefect/flows/memo.json",
)  # fmt: skip


def mode(path: Path) -> int:
    """The permissions of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_home(tmp_path: Path) -> Path:
    """A Prefect home in which everybody may read everything."""
    home = tmp_path / "home"
    for name in FILES:
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("text")
        file.chmod(0o664)
    for folder in (home, *(path for path in home.rglob("*") if path.is_dir())):
        folder.chmod(0o775)
    return home


def test_what_exists_is_closed(open_home: Path) -> None:
    """Home, database, our folders, logs and records are their owner's alone afterwards; twice is no different."""
    for _ in range(2):
        make_private(open_home)
        closed = [name for name in FILES if mode(open_home / name) == 0o600]
        assert closed == [
            name for name in FILES if name.startswith(("prefect.db", "meta-prefect/server", "meta-prefect/w"))
        ]
        folders = [open_home, *(path for path in open_home.rglob("*") if path.is_dir())]
        assert {folder.name: mode(folder) for folder in folders} == {folder.name: 0o700 for folder in folders}


def test_a_home_that_is_for_more_stays_open(open_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own home, or a folder for temporary files, is not closed; the database in it is."""
    monkeypatch.setenv("HOME", str(open_home))
    make_private(open_home)
    assert (mode(open_home), mode(open_home / "prefect.db")) == (0o775, 0o600)
    monkeypatch.setenv("HOME", "/nowhere")
    open_home.chmod(0o1777)
    make_private(open_home)
    assert mode(open_home) == 0o1777


def test_a_home_without_a_database_stays_as_it_is(open_home: Path) -> None:
    """Where no server of ours keeps its data, the home's own permissions are not ours to change."""
    for file in open_home.glob("prefect.db*"):
        file.unlink()
    make_private(open_home)
    assert (mode(open_home), mode(open_home / "meta-prefect")) == (0o775, 0o700)


def test_nothing_of_a_running_server_is_readable_by_others(
    secured: LocalServer, secured_home: tuple[Path, LocalServer]
) -> None:
    """With no umask at all, nothing that server, worker and profile write can be read by others, nor its folders entered."""
    point_profile_at(secured.url, secured.auth_string)
    ensure_worker_process("none-such", api_environment={"PREFECT_API_URL": secured.url})
    stop_worker()
    home = secured_home[0]
    paths = [home, *home.rglob("*")]
    assert {"prefect.db", "prefect.db-wal", "server.json", "server.log", "profiles.toml"} <= {
        path.name for path in paths
    }
    assert [str(path) for path in paths if mode(path) & 0o077] == []
