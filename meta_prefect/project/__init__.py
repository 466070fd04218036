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
from meta_prefect.project.from_environment import names_environment, with_environment
from meta_prefect.project.locating import FILE_NAMES, check_searchable, find_project_file, is_path, part_around
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
    "is_path",
    "json_schema",
    "names_environment",
    "of_environment",
    "part_around",
    "read_project",
    "slug",
    "with_environment",
]
