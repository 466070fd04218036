"""Maintains the ``meta-prefect`` Prefect profile, so that plain ``prefect …`` commands reach the background server."""

from __future__ import annotations

import errno
import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from meta_prefect.errors import ProcessError
from meta_prefect.local.process import exclusively, state_folder

if TYPE_CHECKING:
    from prefect.settings import ProfilesCollection

PROFILE = "meta-prefect"
DEFAULT_PROFILES = ("ephemeral", "default")
_LOCK_TIMEOUT = 30.0
_NOT_REPLACED = frozenset({errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS})
"""Either may be mounted on its own or be writable when the other is not."""


class ProfileOutcome(BaseModel):
    """The result of updating the profile.

    Attributes:
        name: The profile's name.
        activated: Whether it is the active profile now.
        advice: The command that activates it, if it is not active.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    name: str
    activated: bool
    advice: str | None = None


def point_profile_at(url: str, auth_string: str | None = None) -> ProfileOutcome:
    """Point the Prefect profile ``meta-prefect`` at an API, and activate it if that overrides nothing the user set.

    It is activated if the active profile is Prefect's unmodified default and ``PREFECT_PROFILE`` names no profile. Other
    profiles are never changed. Idempotent: a second call writes nothing.

    Args:
        url: The API URL, for example ``http://127.0.0.1:4200/api``.
        auth_string: The API auth string; if given, the file is made readable only by its owner.

    Raises:
        ProcessError: The profiles file cannot be read or written.
    """
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_URL,
        get_current_settings,
        load_profiles,
    )

    path = get_current_settings().profiles_path
    try:
        with exclusively(state_folder("profile") / "profiles.lock", "Prefect's profiles", timeout=_LOCK_TIMEOUT):
            # without Prefect's built-in profiles, which would otherwise be written into the user's file
            profiles = load_profiles(include_defaults=False)
            before = profiles.to_dict()
            profiles.update_profile(PROFILE, {PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: auth_string}, source=path)
            chosen = os.environ.get("PREFECT_PROFILE")
            if not chosen and _is_untouched_default(profiles):
                profiles.set_active(PROFILE)
            if profiles.to_dict() != before:
                _save(profiles, path)
            if auth_string is not None:
                path.chmod(0o600)
    except (OSError, ValueError) as error:  # tomllib's and pydantic's errors are ValueErrors
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ProcessError(
            f"cannot point a Prefect profile at {url}: {reason}",
            where=str(path),
            hint=f"Fix the file, or do without the profile: export PREFECT_API_URL={url}",
        ) from None
    activated = (chosen or profiles.active_name) == PROFILE
    return ProfileOutcome(name=PROFILE, activated=activated, advice=None if activated else _advice(chosen))


def _save(profiles: ProfilesCollection, path: Path) -> None:
    """Write the profiles via a backup: Prefect truncates the file first, and a failed write must not lose the old ones."""
    from prefect.settings import PREFECT_PROFILES_PATH, save_profiles, temporary_settings

    target = path.resolve()  # keep a symlink, perhaps into a dotfiles repository, as a symlink
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".profiles.") as folder:
            new = Path(folder) / target.name
            with temporary_settings({PREFECT_PROFILES_PATH: new}):
                save_profiles(profiles)
            new.replace(target)
    except OSError as error:
        if error.errno not in _NOT_REPLACED:
            raise
        save_profiles(profiles)


def _advice(chosen: str | None) -> str:
    # PREFECT_PROFILE overrides the profiles file, so `prefect profile use` alone would have no effect in that shell
    return f"export PREFECT_PROFILE={PROFILE}" if chosen else f"prefect profile use {PROFILE}"


def _is_untouched_default(own: ProfilesCollection) -> bool:
    """Return whether the active profile is Prefect's default and holds nothing set by the user."""
    from prefect.settings import DEFAULT_PROFILES_PATH

    active = own.active_name or DEFAULT_PROFILES[0]
    if active not in DEFAULT_PROFILES:
        return False
    if active not in own.names:
        return True
    delivered = tomllib.loads(DEFAULT_PROFILES_PATH.read_text(encoding="utf-8"))["profiles"].get(active, {})
    return _comparable(own[active].to_environment_variables()).items() <= _comparable(delivered).items()


def _comparable(settings: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value).lower() for name, value in settings.items()}
