"""Uses no Meta-Prefect, so that no deploy executes it."""

raise RuntimeError("nobody deploys this")
