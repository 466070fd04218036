"""Recipes: an expert's opinion about deployments, as a typed function that becomes a Prefect flow."""

from meta_prefect.recipes.recipe import Recipe, recipe

__all__ = ["Recipe", "recipe"]
