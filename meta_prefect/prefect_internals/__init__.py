"""All that Meta-Prefect relies on of Prefect beyond its documented API; `tests/prefect_contract` pins each piece.

Everything else imports Prefect's public names only, which ruff checks (`banned-api` in `pyproject.toml`). Where a new version of
Prefect breaks something here, the contract's test says what users would have noticed.
"""
