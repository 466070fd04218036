"""How Acme deploys Prefect flows."""

from acme_recipes.builders import on_account
from acme_recipes.components import Budget
from acme_recipes.policies import cost_center_named
from acme_recipes.recipes import acme_nightly

__all__ = ["Budget", "acme_nightly", "cost_center_named", "on_account"]
