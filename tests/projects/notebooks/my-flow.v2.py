"""A file whose name is no module's."""

from prefect import flow


@flow(log_prints=True)
def train() -> None:
    """Train."""
    print("dotted: trained")
