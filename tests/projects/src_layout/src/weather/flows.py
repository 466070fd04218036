"""A flow below `src/` that is not installed."""

from prefect import flow

from .models import MODEL


@flow(log_prints=True)
def forecast() -> None:
    """Forecast."""
    print(f"src: {MODEL}")
