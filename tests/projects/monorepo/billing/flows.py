"""The flows of billing; other teams have a module of this name too."""

from helpers import TEAM
from prefect import flow


@flow(log_prints=True)
def invoice() -> None:
    """Invoice."""
    print(f"monorepo: invoice by {TEAM}")
