"""Storage for flow results."""

from meta_prefect.implementations.filesystem.s3_filesystem import S3Filesystem

__all__ = ["S3Filesystem"]
