"""The flows of shipping; other teams have a module of this name too."""

from helpers import TEAM
from prefect import flow


@flow(log_prints=True)
def dispatch() -> None:
    """Dispatch."""
    print(f"monorepo: dispatch by {TEAM}")
