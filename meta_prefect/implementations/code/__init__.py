"""Builders that define where a worker gets a flow's code. Importing these names loads nothing heavier than pydantic."""

from meta_prefect.implementations.code.built_image import ImageBuild, built_image
from meta_prefect.implementations.code.git import git_code
from meta_prefect.implementations.code.image import image_code
from meta_prefect.implementations.code.place import Code, GitPlace, project_code
from meta_prefect.implementations.code.pull_steps import pip_requirements, pull_steps, shell_script
from meta_prefect.implementations.code.s3 import S3Place, s3_code

__all__ = [
    "Code",
    "GitPlace",
    "ImageBuild",
    "S3Place",
    "built_image",
    "git_code",
    "image_code",
    "pip_requirements",
    "project_code",
    "pull_steps",
    "s3_code",
    "shell_script",
]
