"""What the script beside it imports."""

ORDERS = ("1001", "1002", "1003")
