"""The settings from ``META_PREFECT__*`` environment variables, read when a run starts and never at import."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from meta_prefect.errors import SettingsError, input_of, message_of
from meta_prefect.texts import check_plain


def split_tags(value: object) -> object:
    """Turn ``"a, b,,a"`` into ``("a", "b")``: trimmed, blanks and duplicates dropped, order kept."""
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(tag for part in value.split(",") if (tag := part.strip())))


Plain = Annotated[str, AfterValidator(check_plain)]


class Settings(BaseSettings):
    """The settings of one run.

    Attributes:
        env: ``META_PREFECT__ENV``, the environment to deploy to where nothing else names one.
        tags: ``META_PREFECT__TAGS``, further tags for every deployment, comma-separated.
        version: ``META_PREFECT__VERSION``, overrides the version that a recipe would set.
        start_worker: ``META_PREFECT__START_WORKER``; with false no worker process is started on this host.
        build_images: ``META_PREFECT__BUILD_IMAGES``; with false images are made elsewhere, and only referred to.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="META_PREFECT__", extra="ignore", frozen=True, env_ignore_empty=True
    )

    env: Plain = "dev"
    tags: Annotated[tuple[Plain, ...], NoDecode, BeforeValidator(split_tags)] = ()
    version: Plain | None = None
    start_worker: bool = True
    build_images: bool = True


def read_settings() -> Settings:
    """Read the settings from the environment as it is now.

    Raises:
        SettingsError: A variable has an invalid value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        key = "__".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(
            f"{message_of(first)} {input_of(first)}", where=f"environment variable META_PREFECT__{key}"
        ) from None
