"""A script beside the module that it imports."""

from orders import ORDERS
from prefect import flow


@flow(log_prints=True)
def count_orders() -> None:
    """Count the orders."""
    print(f"flat scripts: {len(ORDERS)} orders")
