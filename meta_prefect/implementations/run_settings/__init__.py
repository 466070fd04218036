"""What every run of a deployment gets: parameters, job variables, environment variables."""

from meta_prefect.implementations.run_settings.values import env_variables, job_variables, parameters

__all__ = ["env_variables", "job_variables", "parameters"]
