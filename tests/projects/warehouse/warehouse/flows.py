"""The flows of a small warehouse."""

from prefect import flow, task

from warehouse.recipes import nightly


@task
def read(table: str) -> list[int]:
    return [len(table)]


@flow
def extract(table: str = "orders") -> list[int]:
    """Read a table."""
    return read(table)


@flow
def load(rows: int = 0) -> int:
    """Store rows."""
    return rows


@nightly.with_variables(hour=6, owner="analysts")
@flow
def transform(factor: float = 1.0) -> float:
    """Compute what the analysts look at."""
    return factor * 2
