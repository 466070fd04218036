"""The files of a new project are written all or none, and none over another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from meta_prefect.errors import ProcessError
from meta_prefect.init.writing import write_new_files


def test_a_file_that_is_there_stops_all_of_them(tmp_path: Path) -> None:
    """What was made before it is gone again, its folder too."""
    (tmp_path / "meta_prefect.yaml").write_text("mine")

    with pytest.raises(ProcessError, match="already"):
        write_new_files({tmp_path / "new" / "schema.json": "{}", tmp_path / "meta_prefect.yaml": "theirs"})

    assert [one.name for one in tmp_path.iterdir()] == ["meta_prefect.yaml"]
    assert (tmp_path / "meta_prefect.yaml").read_text() == "mine"


def test_what_nobody_writes_by_hand_is_replaced(tmp_path: Path) -> None:
    """The editor's schema is made anew; it stays where another file cannot be written."""
    schema = tmp_path / "schema.json"
    schema.write_text("old")
    write_new_files({schema: "new"}, {schema})
    with pytest.raises(ProcessError):
        write_new_files({schema: "newer", tmp_path: ""}, {schema})

    assert [one.name for one in tmp_path.iterdir()] == ["schema.json"]
