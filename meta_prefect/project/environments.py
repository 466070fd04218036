"""The environments of a project: their servers, from where they may be deployed to, and their overrides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from meta_prefect.errors import ProjectFileError, TargetError, nearest
from meta_prefect.interfaces.smoke import Smoke
from meta_prefect.interfaces.times import Length
from meta_prefect.project.document import Document
from meta_prefect.project.fields import FileModel, Text, one_or_several
from meta_prefect.redaction import redacted, without_userinfo

_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
NAME_THE_KEY: Final = (
    "Name the environment variable that holds it: `api_key_from: PROD_API_KEY`; or a Prefect profile: `profile: prod`."
)


def _variable_name(text: str) -> str:
    if _VARIABLE.fullmatch(text) is None or redacted(text) != text:
        raise PydanticCustomError(
            "secret", "should be the name of an environment variable, never a key", {"hint": NAME_THE_KEY}
        )
    return text


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PydanticCustomError(
            "address", "should be an address", {"hint": "For example 'https://prefect.example.com/api'."}
        )
    if without_userinfo(text) != text or redacted(text) != text:
        raise PydanticCustomError("secret", "holds a password or a key", {"hint": NAME_THE_KEY})
    return text.rstrip("/")


Several = Annotated[tuple[Text, ...], BeforeValidator(one_or_several, str | tuple[str, ...])]


class ApprovalModel(FileModel):
    """Who approves a deploy."""

    by: Several = Field(default=(), description="Who approves: names of users or groups, as your Prefect has them.")
    within: Length = Field(
        default=timedelta(hours=24), description="How long a deploy waits for an answer: `30m`, `24h`, `3d`."
    )


class EnvironmentModel(FileModel):
    """One environment; of one with nothing behind its name nothing is said but that it is there."""

    called: Text | None = Field(
        default=None,
        description="The word for it in names and tags of deployments, where that is another one: `production` for `prod`.",
    )

    profile: Text | None = Field(default=None, description="The Prefect profile that leads to its server.")
    api_url: Annotated[str, AfterValidator(_address)] | None = Field(
        default=None, description="The address of its Prefect API, instead of a profile."
    )
    api_key_from: Annotated[str, AfterValidator(_variable_name)] | None = Field(
        default=None,
        description="The environment variable that holds the API's key, or `user:password` of a server of your own.",
    )
    branches: Several = Field(
        default=(), description="The Git branches from which it may be deployed, or patterns; any where it is left out."
    )
    clean: bool = Field(default=False, description="Whether it may be deployed only where nothing is uncommitted.")
    protected: bool | None = Field(
        default=None,
        description="Whether `destroy` refuses it, and a deploy on a terminal asks first. Left out, `destroy` refuses one that "
        "is named here, and not one of a pattern.",
    )
    expires: Length | None = Field(
        default=None,
        description="After what time it is taken down, as `--expires` says it; what is created begins paused.",
    )
    approval: ApprovalModel | None = Field(default=None, description="Let a person approve each deploy.")
    smoke: Smoke | None = Field(
        default=None,
        description="Let what is created, or would run otherwise, run once with these parameters before it is active.",
    )
    defaults: dict[str, Any] = Field(
        default={}, description="Variables of all entries there, for recipes that have them; what an entry says counts."
    )

    @model_validator(mode="before")
    @classmethod
    def _default_to_empty(cls, data: object) -> object:
        return {} if data is None else data

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        if self.profile is not None and self.api_url is not None:
            raise PydanticCustomError(
                "server", "`profile` and `api_url` both say where it is", {"hint": "Keep one of them."}
            )
        if self.api_key_from is not None and self.api_url is None:
            raise PydanticCustomError(
                "server",
                "`api_key_from` without `api_url`",
                {"hint": "A profile has its own key; else write `api_url:` too."},
            )
        return self


def check_unambiguous(environments: dict[str, EnvironmentModel]) -> dict[str, EnvironmentModel]:
    """Reject names and words that would refer to two environments."""
    meant: dict[str, str] = {}
    for name, environment in environments.items():
        if environment.called is not None and "*" in name:
            about = {"name": name, "hint": "Leave out `called`, or write each environment by its name."}
            raise PydanticCustomError("environments", "`called` is one word, and '{name}' many environments", about)
        for word in {environment.called or name, name}:
            if (other := meant.setdefault(word, name)) != name:
                about = {"word": word, "one": other, "other": name, "hint": "Give each a word of its own."}
                raise PydanticCustomError("environments", "'{word}' would mean both '{one}' and '{other}'", about)
    return environments


def fits(environment: str, pattern: str) -> bool:
    """Return whether an environment matches a name or a pattern such as ``pr-*``."""
    return environment == pattern or ("*" in pattern and fnmatchcase(environment, pattern))


def of_environment(values: Mapping[str, Any], environment: str) -> Iterator[str]:
    """Yield a mapping's keys (names or patterns) that match an environment; its own name comes last and so takes precedence."""
    yield from sorted((key for key in values if fits(environment, key)), key=lambda key: (key == environment, key))


class Environment(BaseModel):
    """An environment described in a project file.

    Attributes:
        name: Its name.
        key: Its key in the file: its name, or a pattern.
        says: Its settings.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    name: str
    key: str
    says: EnvironmentModel
    _document: Document | None = PrivateAttr(default=None)

    @property
    def is_protected(self) -> bool:
        """Whether it is protected from being destroyed."""
        return self.key == self.name if self.says.protected is None else self.says.protected

    @property
    def has_server(self) -> bool:
        """Whether it defines its server."""
        return self.says.profile is not None or self.says.api_url is not None

    def locate(self, *keys: str | int) -> str:
        """Format the position of one of its settings: ``meta_prefect.yaml:9:5: environments.prod.profile``."""
        path = ("environments", self.key, *keys)
        return ".".join(map(str, path)) if self._document is None else self._document.locate(path)

    def error(self, message: str, *keys: str | int, hint: str | None = None) -> ProjectFileError:
        """Build an error about one of its settings."""
        return ProjectFileError(message, where=self.locate(*keys), hint=hint)


class Environments(BaseModel):
    """The environments described in a project file; if there are none, any environment is allowed.

    Attributes:
        models: The settings of each, by name or pattern.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    models: dict[str, EnvironmentModel] = {}
    _document: Document | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, document: Document, models: Mapping[str, EnvironmentModel]) -> Self:
        """Create it from a document."""
        made = cls(models=dict(models))
        made._document = document
        return made

    def __bool__(self) -> bool:
        return bool(self.models)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are not patterns."""
        return tuple(key for key in self.models if "*" not in key)

    @property
    def called(self) -> dict[str, str]:
        """The words used for environments in names and tags of deployments, where they differ from the name."""
        return {name: one.called for name, one in self.models.items() if one.called is not None}

    def word_for(self, name: str) -> str:
        """Return the word used for an environment in names and tags of deployments."""
        return self.called.get(name, name)

    def environment_for(self, word: str) -> str:
        """Return the environment for a word in a name or tag of a deployment."""
        return next((name for name, called in self.called.items() if called == word), word)

    def find(self, name: str) -> Environment | None:
        """Return an environment's settings; None if it is not described."""
        key = next(iter([*of_environment(self.models, name)][::-1]), None)
        if key is None:
            return None
        found = Environment(name=name, key=key, says=self.models[key])
        found._document = self._document  # pyright: ignore[reportPrivateUsage] - one module, two halves of one thing
        return found

    def check(self, name: str) -> Environment | None:
        """Return an environment's settings; None if the project describes no environments at all.

        Raises:
            TargetError: The project describes environments, but not this one.
        """
        found = self.find(name)
        if found is None and self.models:
            raise TargetError(
                f"there is no environment {name!r} in this project",
                where="environment",
                hint=nearest(name, self.models),
            )
        return found

    def unknown(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Return the names and patterns that match no environment, each with a suggestion."""
        return [
            (name, nearest(name, self.models))
            for name in names
            if self.models and name not in self.models and not self.find(name)
        ]
