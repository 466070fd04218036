"""``meta-prefect init``: starts a project from its flows, a prefect.yaml or live deployments."""
