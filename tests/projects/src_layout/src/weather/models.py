"""What the flow imports."""

MODEL = "persistence"
