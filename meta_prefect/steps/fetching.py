"""The pull step that deployments of a project in an image or a folder hold by this name: stored names stay."""

from meta_prefect.engine.source import project_source

__all__ = ["project_source"]
