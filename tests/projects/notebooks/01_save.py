"""Another one."""

from prefect import flow


@flow(log_prints=True)
def save() -> None:
    """Save."""
    print("numbered: saved")
