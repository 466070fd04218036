"""The background server's data: where it is, how large it is and what is retained."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DEPLOYS_KEPT: Final = 100
"""How many deploys are retained in full."""


def database_of(home: Path) -> Path:
    """Return the database file of the background server of a PREFECT_HOME."""
    return home / "prefect.db"


def what_is_kept(home: Path) -> str:
    """Describe the size of the database and how many deploys it retains."""
    database = database_of(home)
    files = (database, database.with_name(f"{database.name}-wal"))
    size = sum(file.stat().st_size for file in files if file.exists())
    return (
        f"data: {database}, {size / 1e6:.1f} MB; of deploys older than the last {DEPLOYS_KEPT} only the ledger is kept"
    )
