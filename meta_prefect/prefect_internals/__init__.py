"""Everything that relies on Prefect beyond its documented API; each piece is pinned by a test in `tests/prefect_contract`.

All other code imports only Prefect's public names, which ruff enforces (`banned-api` in `pyproject.toml`). When a new Prefect
version breaks something here, the contract test says what users would notice.
"""
