"""Recipes: typed functions that define how flows are deployed, and that become Prefect flows."""

from meta_prefect.recipes.recipe import Recipe, recipe

__all__ = ["Recipe", "recipe"]
