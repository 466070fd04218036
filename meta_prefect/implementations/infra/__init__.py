"""Where the runs of a deployment happen."""

from meta_prefect.implementations.infra.process import local_process

__all__ = ["local_process"]
