"""The hierarchy of all errors that Meta-Prefect raises.

Each message says what is wrong and where (file and key, or the object), and shows the offending value; the hint says what to
do about it. The command line prints exactly that and exits with 1; tracebacks are for bugs and for ``--debug``.

    MetaPrefectError
    ├── ConfigurationError        what the user wrote cannot be deployed; nothing was written
    │   ├── ProjectFileError      meta_prefect.yaml: missing, unreadable, an unknown key or a wrong value
    │   ├── SettingsError         a META_PREFECT__* variable has an invalid value
    │   ├── FlowNotFoundError     no flow, or more than one, goes by that name
    │   ├── FlowImportError       the flow's module raised an exception
    │   ├── RecipeError           no such recipe, or invalid variables
    │   ├── BuilderError          a builder raised an exception or returned no deployment
    │   ├── ConflictError         two descriptions of one deployment or component disagree
    │   ├── PolicyError           a policy denies a deployment, or failed itself
    │   ├── ScheduleError         an invalid schedule, or one that Prefect interprets differently
    │   └── TargetError           a path, flow or pattern on the command line that matches nothing
    ├── ValidationFailed          several ConfigurationErrors at once
    ├── ServerError               the Prefect API
    │   ├── NoApiConfiguredError  there is no Prefect API to deploy to
    │   ├── UnreachableError      no response (temporary)
    │   ├── OverloadedError       status 429, 502, 503, 504 (temporary)
    │   ├── RefusedError          the server rejected a request (permanent)
    │   └── MovedError            a live object has changed since it was planned
    ├── ProcessError              a server or worker process on this host did not start or stop
    ├── NotApproved               a person rejected a deploy, or nobody answered in time
    ├── DriftFound                what was deployed was changed by hand
    └── DeployFailed              some deployments could not be written; carries the report

This module imports nothing from the package but text cleaning, so that everything can raise these. What an error quotes is
shortened and cleaned of secrets and control characters.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar

from meta_prefect.hidden_values import secret_values
from meta_prefect.redaction import is_secret_name
from meta_prefect.sealing import HIDDEN
from meta_prefect.texts import LONGEST_ERROR, presentable, quoted

if TYPE_CHECKING:
    from pydantic import ValidationError

    from meta_prefect.report import Report

__all__ = [
    "BuilderError",
    "ConfigurationError",
    "ConflictError",
    "DeployFailed",
    "DriftFound",
    "FlowImportError",
    "FlowNotFoundError",
    "MetaPrefectError",
    "MovedError",
    "NoApiConfiguredError",
    "NotApproved",
    "OverloadedError",
    "PolicyError",
    "ProcessError",
    "ProjectFileError",
    "RecipeError",
    "RefusedError",
    "ScheduleError",
    "ServerError",
    "SettingsError",
    "TargetError",
    "TemporaryServerError",
    "UnreachableError",
    "ValidationFailed",
]

ConfigurationErrorT = TypeVar("ConfigurationErrorT", bound="ConfigurationError")
_MAX_NAMES: Final = 40
_MAX_PLACES: Final = 5
_MAX_PLACE_LENGTH: Final = 300
_MAX_HINT_LENGTH: Final = 600


class MetaPrefectError(Exception):
    """The base class of all errors that Meta-Prefect raises deliberately.

    Args:
        message: What is wrong, with the offending value.
        where: The file and key, or the object, concerned, for example ``meta_prefect.yaml:4: deployments.etl[0].recipe``.
        hint: What to do about it.
    """

    longest: ClassVar[int | None] = LONGEST_ERROR
    """The maximum length of the message; None for no limit."""

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.message: str = presentable(message, longest=self.longest)
        super().__init__(self.message)
        self.where = where if where is None else presentable(where, longest=_MAX_PLACE_LENGTH)
        self.hint: str | None = hint if hint is None else presentable(hint, longest=_MAX_HINT_LENGTH)

    def __str__(self) -> str:
        located = f"{self.where}: {self.message}" if self.where else self.message
        return f"{located}\n  {self.hint}" if self.hint else located

    def asked_for_at(self, place: str) -> None:
        """Prepend where the user requested what went wrong."""
        place = presentable(place, longest=_MAX_PLACE_LENGTH)
        if self.where is None:
            self.where = place
        elif not self.where.startswith(place):
            self.where = f"{place}: {self.where}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.__dict__))


def _rebuild(kind: type[MetaPrefectError], message: str, state: dict[str, object]) -> MetaPrefectError:
    """Unpickle an error: its keyword arguments are not in ``args``."""
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class ConfigurationError(MetaPrefectError):
    """The user's configuration cannot be deployed as it is; nothing was written.

    Attributes:
        keys: The path to the offending value, starting with a builder's argument, for example ``("schedule", "rrule")``.
        value: The value; None if unknown.
        allowance: The value of ``allow`` that would permit it, as Prefect does; None if there is none.
    """

    keys: tuple[str, ...] = ()
    value: object = None
    allowance: str | None = None

    def is_about(self, *keys: str, value: object = None) -> Self:
        """Record which value is wrong, so that its position can be found. The first call wins."""
        if not self.keys:
            self.keys, self.value = keys, value
        return self

    def allowed_as(self, name: str) -> Self:
        """Record which value of ``allow`` would permit it."""
        self.allowance = name
        mend = f"`allow: {name}` lets it through as it is."
        self.hint: str | None = f"{self.hint} {mend}" if self.hint else mend
        return self


class ProjectFileError(ConfigurationError):
    """The project file is missing, is not YAML, or has an unknown key or an invalid value."""


class SettingsError(ConfigurationError):
    """A ``META_PREFECT__*`` environment variable has an invalid value."""


class FlowNotFoundError(ConfigurationError):
    """No flow, or more than one, has the given name."""


class FlowImportError(ConfigurationError):
    """The module of a flow raised an exception when it was loaded."""


class RecipeError(ConfigurationError):
    """There is no such recipe, or its variables are missing, unknown or of the wrong type."""


class BuilderError(ConfigurationError):
    """A builder raised an exception, or returned something other than a deployment."""


class ConflictError(ConfigurationError):
    """Two descriptions of the same deployment or component disagree."""


class PolicyError(ConfigurationError):
    """A policy denies a deployment, does not exist, or failed itself."""


class ScheduleError(ConfigurationError):
    """A schedule is invalid, never fires, or would be interpreted differently by Prefect's server."""


class TargetError(ConfigurationError):
    """A requested path, flow, deployment or pattern matches nothing."""


class ValidationFailed(MetaPrefectError):  # noqa: N818 - a verdict, as in Prefect's own state names
    """All errors of a project, found before the first write.

    Args:
        errors: The individual errors, in the order found.
    """

    longest: ClassVar[int | None] = None

    def __init__(self, errors: Sequence[ConfigurationError]) -> None:
        # One cause may affect many deployments, such as a shared work pool.
        self.errors: tuple[ConfigurationError, ...] = tuple({str(error): error for error in errors}.values())
        super().__init__("\n".join(grouped_messages(self.errors)))


def grouped_messages(errors: Iterable[MetaPrefectError]) -> Iterator[str]:
    """Format errors, grouping those that differ only in their position: one broken module may contain thirty flows."""
    alike: dict[tuple[str, str | None], list[MetaPrefectError]] = {}
    for error in errors:
        alike.setdefault((error.message, error.hint), []).append(error)
    for first, *others in alike.values():
        places = list(dict.fromkeys(one.where for one in others if one.where not in (None, first.where)))
        shown = ", ".join(str(place) for place in places[:_MAX_PLACES])
        more = f" and {len(places) - _MAX_PLACES} more" if len(places) > _MAX_PLACES else ""
        yield f"{first}\n  The same at {shown}{more}." if places else str(first)


class ServerError(MetaPrefectError):
    """An error related to the Prefect API."""


class NoApiConfiguredError(ServerError):
    """There is no Prefect API to deploy to, and none may be started here."""


class TemporaryServerError(ServerError):
    """May resolve itself, and so is retried."""


class UnreachableError(TemporaryServerError):
    """The Prefect API does not respond."""


class OverloadedError(TemporaryServerError):
    """The Prefect API cannot serve a request at the moment (429, 502, 503, 504)."""


class RefusedError(ServerError):
    """The Prefect API rejected a request; a retry would not help."""


class MovedError(ServerError):
    """A live object is in neither its original nor its desired state: someone changed it since it was planned."""


class ProcessError(MetaPrefectError):
    """A server or worker process on this host did not start, or did not stop."""


class NotApproved(MetaPrefectError):  # noqa: N818 - a verdict, as in Prefect's own state names
    """A person rejected a deploy, or nobody answered in time; nothing was written."""


class DriftFound(MetaPrefectError):  # noqa: N818 - a verdict, as in Prefect's own state names
    """What was deployed was changed by hand, and the policy is ``fail`` or healing failed."""


class DeployFailed(MetaPrefectError):  # noqa: N818 - a verdict, as in Prefect's own state names
    """Some deployments could not be written.

    Args:
        message: Which ones, and why.
        report: What happened to each deployment.
    """

    longest: ClassVar[int | None] = None

    def __init__(self, message: str, *, report: Report) -> None:
        super().__init__(message)
        self.report = report


def nearest(value: str, known: Iterable[str]) -> str:
    """Suggest the known name most similar to a value, or list the known names.

    Returns:
        For example ``Did you mean 'schedule'?`` or ``Known: env, name, schedule.``, or an empty string if there are none.
    """
    names = sorted(set(known))
    if close := difflib.get_close_matches(value, names, n=1):
        return f"Did you mean {close[0]!r}?"
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"Known: {', '.join(names[:_MAX_NAMES])}{more}." if names else ""


@contextmanager
def about(*keys: str, value: object = None) -> Generator[None]:
    """Attach keys and value to errors raised inside; see :meth:`ConfigurationError.is_about`."""
    try:
        yield
    except ConfigurationError as error:
        error.is_about(*keys, value=value)
        raise


def hint_of(error: ValidationError) -> str | None:
    """Return the hint of the first validator that failed, if it gave one."""
    return error.errors()[0].get("ctx", {}).get("hint")


def first_line(error: ValidationError) -> str:
    """Return pydantic's first error in one line."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {message_of(first)} {input_of(first)}" if place else message_of(first)


def noted(made: ConfigurationErrorT, error: ValidationError) -> ConfigurationErrorT:
    """Attach the location of pydantic's first error to an error."""
    first = error.errors()[0]
    made.is_about(*map(str, first["loc"]), value=first["input"])
    return made


def input_of(details: Mapping[str, Any]) -> str:
    """Format the input of a pydantic error: ``(got 'x')``, or ``(got (hidden))`` if it may be a secret.

    Args:
        details: An item of ``ValidationError.errors()``.
    """
    return f"(got {HIDDEN if _is_secret(details) else quoted(details['input'], *details['loc'])})"


def message_of(details: Mapping[str, Any]) -> str:
    """Return the message of a pydantic error, without secrets that it quotes.

    Args:
        details: An item of ``ValidationError.errors()``.
    """
    message = str(details["msg"]).removeprefix("Value error, ")
    given: Any = details["input"]
    secrets = [given] if _is_secret(details) and isinstance(given, str) else secret_values(given, *details["loc"])
    for secret in secrets:
        # Whole words only: a one-letter secret would otherwise be found in the message's own words.
        message = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, message.replace(repr(secret), HIDDEN))
    return message


def _is_secret(details: Mapping[str, Any]) -> bool:
    """Return whether a value is where a secret would be, even if it looks like a reference."""
    return isinstance(details["input"], str | int | float) and any(
        is_secret_name(part) for part in details["loc"] if isinstance(part, str)
    )
