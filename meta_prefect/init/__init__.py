"""Beginning a project: from its flows, from a prefect.yaml, or from what is live already."""
