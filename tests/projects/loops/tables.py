"""One flow for each table, made in a loop."""

from collections.abc import Callable

from prefect import flow


def copying(table: str) -> Callable[[], None]:
    """The function that copies a table."""

    def copy() -> None:
        print(f"loop: {table} copied")

    return copy


for table in ("orders", "customers"):
    globals()[f"copy_{table}"] = flow(name=f"copy-{table}", log_prints=True)(copying(table))
