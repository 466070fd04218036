"""A flow that imports a neighbour."""

from prefect import flow

from .money import euros


@flow(log_prints=True)
def close_books() -> None:
    """Close the books."""
    print(f"neighbour: {euros(995)}")
