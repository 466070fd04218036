"""What the flows of this package share."""


def euros(cents: int) -> str:
    """An amount for people."""
    return f"{cents / 100:.2f} EUR"
