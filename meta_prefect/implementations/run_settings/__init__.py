"""Builders for the settings of every run: parameters, job variables, environment variables and the run form."""

from meta_prefect.implementations.run_settings.form import run_form
from meta_prefect.implementations.run_settings.smoke import smoke_run
from meta_prefect.implementations.run_settings.switches import deployment_switches
from meta_prefect.implementations.run_settings.values import env_variables, job_variables, parameters
from meta_prefect.implementations.run_settings.variables import prefect_variables, saved_block

__all__ = [
    "deployment_switches",
    "env_variables",
    "job_variables",
    "parameters",
    "prefect_variables",
    "run_form",
    "saved_block",
    "smoke_run",
]
