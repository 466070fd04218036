"""The data of the background server: where it lies, how large it is, and what it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DEPLOYS_KEPT: Final = 100
"""How many deploys are kept whole."""


def database_of(home: Path) -> Path:
    """The file of the database of a PREFECT_HOME's background server."""
    return home / "prefect.db"


def what_is_kept(home: Path) -> str:
    """Say how large the database is, and what it keeps of deploys."""
    database = database_of(home)
    files = (database, database.with_name(f"{database.name}-wal"))
    size = sum(file.stat().st_size for file in files if file.exists())
    return (
        f"data: {database}, {size / 1e6:.1f} MB; of deploys older than the last {DEPLOYS_KEPT} only the ledger is kept"
    )
