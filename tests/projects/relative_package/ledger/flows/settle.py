"""A flow that imports from the package above."""

from prefect import flow

from ..money import euros


@flow(log_prints=True)
def settle() -> None:
    """Settle."""
    print(f"package above: {euros(1250)}")
