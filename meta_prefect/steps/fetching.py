"""The pull step of deployed projects, under the name that is stored in their deployments."""

from meta_prefect.engine.source import project_source

__all__ = ["project_source"]
