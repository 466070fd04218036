"""Flows in a class."""

from prefect import flow


class Reports:
    """Reports."""

    currency = "EUR"

    @flow(log_prints=True)
    @staticmethod
    def daily() -> None:
        """Report the day."""
        print("static method: reported")

    @flow(log_prints=True)
    @classmethod
    def monthly(cls) -> None:
        """Report the month."""
        print(f"class method: reported in {cls.currency}")
