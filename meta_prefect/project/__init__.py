"""The project: ``meta_prefect.yaml``, its folder, and the name that marks the objects it owns.

Nothing here runs the project's code or accesses anything but the file system.
"""

from meta_prefect.project.environments import (
    ApprovalModel,
    Environment,
    EnvironmentModel,
    Environments,
    of_environment,
)
from meta_prefect.project.from_environment import refers_to_environment, with_environment
from meta_prefect.project.locating import FILE_NAMES, check_searchable, find_project_file, part_around, path_exists
from meta_prefect.project.models import Entry, Project, ProjectPart, json_schema
from meta_prefect.project.naming import slug
from meta_prefect.project.policies import Enforcement, ExemptionModel, PolicyModel
from meta_prefect.project.reading import read_project

__all__ = [
    "FILE_NAMES",
    "ApprovalModel",
    "Enforcement",
    "Entry",
    "Environment",
    "EnvironmentModel",
    "Environments",
    "ExemptionModel",
    "PolicyModel",
    "Project",
    "ProjectPart",
    "check_searchable",
    "find_project_file",
    "json_schema",
    "of_environment",
    "part_around",
    "path_exists",
    "read_project",
    "refers_to_environment",
    "slug",
    "with_environment",
]
