"""The Prefect API of a project's environment, if the project file names one."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from meta_prefect.errors import nearest
from meta_prefect.project import Environment, Project
from meta_prefect.redaction import remember, without_userinfo
from meta_prefect.settings import read_settings


@contextmanager
def server_of(project: Project, environment: str | None) -> Generator[str | None]:
    """Make an environment's server the Prefect API, if the project file names one.

    Credentials for other servers are not sent to it: no API key or headers from the active profile or the environment
    variables.

    Args:
        project: The project.
        environment: The requested environment; None means META_PREFECT__ENV, or ``dev`` if the project has it.

    Yields:
        A description of the server, or None if the project does not name one.

    Raises:
        TargetError: The project has no such environment.
        ProjectFileError: The profile does not exist here, or the variable that holds the API key is not set.
    """
    from prefect.settings import temporary_settings

    found = _described(project, environment)
    if found is None or not found.has_server:
        yield None
        return
    settings = _settings(found)
    with temporary_settings(settings, restore_defaults=_opening().difference(settings)):
        profile = f" (profile {found.says.profile})" if found.says.profile else ""
        yield f"{_address(settings)}{profile}"


def address_of(environment: Environment) -> str | None:
    """Return the API of an environment without user and password, or None if it is not known here.

    Raises:
        ProjectFileError: The variable that holds the API key is not set.
    """
    if environment.says.profile is not None and environment.says.profile not in _profiles().names:
        return None
    return _address(_settings(environment)) if environment.has_server else None


def present_address() -> str:
    """Return the API currently in use, in the same form."""
    from prefect.settings import PREFECT_API_URL

    return without_userinfo(PREFECT_API_URL.value() or "").rstrip("/")


def _described(project: Project, environment: str | None) -> Environment | None:
    if environment is None:
        return project.environments.find(read_settings().env)
    return project.environments.check(environment)


def _profiles() -> Any:
    from prefect.settings import load_profiles

    return load_profiles()


def _settings(environment: Environment) -> dict[Any, Any]:
    """Return the Prefect settings that reach and authenticate to an environment's API."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL

    says = environment.says
    if says.profile is None:
        settings: dict[Any, Any] = {PREFECT_API_URL: says.api_url}
        if says.api_key_from is not None:
            secret = _secret(environment, says.api_key_from)
            # An API key has no colon; the auth string of a self-hosted server has one.
            settings[PREFECT_API_AUTH_STRING if ":" in secret else PREFECT_API_KEY] = secret
        return settings
    profiles = _profiles()
    if says.profile not in profiles.names:
        raise environment.error(
            f"there is no Prefect profile {says.profile!r} on this host",
            "profile",
            hint=f"{nearest(says.profile, profiles.names)} `prefect profile ls` lists them.".strip(),
        )
    settings = dict(profiles[says.profile].settings)
    if not settings.get(PREFECT_API_URL):
        raise environment.error(
            f"the Prefect profile {says.profile!r} leads to no API",
            "profile",
            hint=f"prefect -p {says.profile} config set PREFECT_API_URL=…",
        )
    return settings


def _secret(environment: Environment, variable: str) -> str:
    secret = os.environ.get(variable)
    if not secret:
        raise environment.error(
            f"the environment variable {variable} is not set, which holds the key of {environment.name}'s API",
            "api_key_from",
            hint="Set it where the deploy runs.",
        )
    remember(secret)
    return secret


def _address(settings: dict[Any, Any]) -> str:
    from prefect.settings import PREFECT_API_URL

    return without_userinfo(str(settings[PREFECT_API_URL])).rstrip("/")


def _opening() -> set[Any]:
    """Return the settings that hold credentials for one particular server."""
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_KEY,
        PREFECT_CLIENT_CUSTOM_HEADERS,
        PREFECT_UI_URL,
    )

    return {PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_CLIENT_CUSTOM_HEADERS, PREFECT_UI_URL}
