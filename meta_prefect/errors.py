"""Everything that can go wrong, as one tree.

Each message says what is wrong and where (file and key, or the object), shows the offending value, and the hint says what
to do about it. The command line prints exactly that and exits with 1; a traceback is for bugs and for ``--debug``.

    MetaPrefectError
    ├── ConfigurationError        what the user wrote cannot be deployed; nothing was written
    │   ├── ProjectFileError      meta_prefect.yaml: missing, unreadable, an unknown key or a wrong value
    │   ├── SettingsError         a META_PREFECT__* variable holds something that cannot be used
    │   ├── FlowNotFoundError     no flow, or more than one, goes by that name
    │   ├── FlowImportError       the flow's module raised when it was loaded
    │   ├── RecipeError           no such recipe, or variables that do not fit it
    │   ├── BuilderError          a builder raised, or returned something that is no deployment
    │   ├── ConflictError         two descriptions of one deployment or component disagree
    │   ├── PolicyError           a policy denies a deployment, or does not work itself
    │   ├── ScheduleError         a schedule that cannot be read, or that Prefect would read otherwise
    │   └── TargetError           a path, flow or pattern on the command line that matches nothing
    ├── ValidationFailed          several ConfigurationErrors at once
    ├── ServerError               the Prefect API
    │   ├── NoApiConfiguredError  there is no Prefect API to deploy to
    │   ├── UnreachableError      no answer (temporary)
    │   ├── OverloadedError       answers of 429, 502, 503, 504 (temporary)
    │   ├── RefusedError          the server understood and refused (permanent)
    │   └── MovedError            the live object is neither what the plan saw nor what it wants
    ├── ProcessError              a server or worker process of this host did not start or stop
    ├── NotApproved               a person has rejected a deploy, or nobody answered in time; nothing was written
    ├── DriftFound                somebody has changed what was deployed
    └── DeployFailed              some deployments could not be written; carries the report

This module imports nothing of the package but what cleans texts, so that everything may raise these. Whatever an error quotes is
short, without secrets and without control characters.
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
_MOST_NAMES: Final = 40
_MOST_PLACES: Final = 5
_LONGEST_PLACE: Final = 300
_LONGEST_HINT: Final = 600


class MetaPrefectError(Exception):
    """The root of every error that Meta-Prefect raises on purpose.

    Args:
        message: What is wrong, with the offending value.
        where: The file and key, or the object, that is meant, for example ``meta_prefect.yaml:4: deployments.etl[0].recipe``.
        hint: What to do about it.
    """

    longest: ClassVar[int | None] = LONGEST_ERROR
    """How many characters of a message are kept; None for any number."""

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.message: str = presentable(message, longest=self.longest)
        super().__init__(self.message)
        self.where = where if where is None else presentable(where, longest=_LONGEST_PLACE)
        self.hint: str | None = hint if hint is None else presentable(hint, longest=_LONGEST_HINT)

    def __str__(self) -> str:
        located = f"{self.where}: {self.message}" if self.where else self.message
        return f"{located}\n  {self.hint}" if self.hint else located

    def asked_for_at(self, place: str) -> None:
        """Note where the user asked for what went wrong, in front of where it went wrong."""
        place = presentable(place, longest=_LONGEST_PLACE)
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
    """What the user wrote cannot be deployed as it stands; nothing was written.

    Attributes:
        keys: The way to the value that is wrong, from a builder's argument inwards, for example ``("schedule", "rrule")``.
        value: That value; None where it is not known.
        allowance: The name by which an ``allow`` beside it lets it through, as Prefect does; None where nothing does.
    """

    keys: tuple[str, ...] = ()
    value: object = None
    allowance: str | None = None

    def is_about(self, *keys: str, value: object = None) -> Self:
        """Note which value is wrong, so that it is found where the user wrote it. What was noted first stays."""
        if not self.keys:
            self.keys, self.value = keys, value
        return self

    def allowed_as(self, name: str) -> Self:
        """Say by which name it may be let through."""
        self.allowance = name
        mend = f"`allow: {name}` lets it through as it is."
        self.hint: str | None = f"{self.hint} {mend}" if self.hint else mend
        return self


class ProjectFileError(ConfigurationError):
    """The project file is missing, is not YAML, or holds a key or value that does not belong there."""


class SettingsError(ConfigurationError):
    """A ``META_PREFECT__*`` environment variable holds something that cannot be used."""


class FlowNotFoundError(ConfigurationError):
    """No flow, or more than one, goes by a name."""


class FlowImportError(ConfigurationError):
    """The module of a flow raised an exception when it was loaded."""


class RecipeError(ConfigurationError):
    """There is no such recipe, or its variables are missing, unknown or of the wrong type."""


class BuilderError(ConfigurationError):
    """A builder raised an exception, or returned something that is no deployment."""


class ConflictError(ConfigurationError):
    """Two descriptions of the same deployment or component disagree."""


class PolicyError(ConfigurationError):
    """A policy denies a deployment; or a policy is not there, or does not work."""


class ScheduleError(ConfigurationError):
    """A schedule cannot be read, never fires, or would be read otherwise by Prefect's server."""


class TargetError(ConfigurationError):
    """A path, flow, deployment or pattern that was asked for matches nothing."""


class ValidationFailed(MetaPrefectError):  # noqa: N818 - a verdict, as in Prefect's own state names
    """Everything that is wrong with a project, found before the first write.

    Args:
        errors: The single errors, in the order in which they were found.
    """

    longest: ClassVar[int | None] = None

    def __init__(self, errors: Sequence[ConfigurationError]) -> None:
        # One cause may concern many deployments, such as a work pool that they share.
        self.errors: tuple[ConfigurationError, ...] = tuple({str(error): error for error in errors}.values())
        super().__init__("\n".join(told_once(self.errors)))


def told_once(errors: Iterable[MetaPrefectError]) -> Iterator[str]:
    """Tell errors, those that differ in nothing but their place together: one broken module may hold thirty flows."""
    alike: dict[tuple[str, str | None], list[MetaPrefectError]] = {}
    for error in errors:
        alike.setdefault((error.message, error.hint), []).append(error)
    for first, *others in alike.values():
        places = list(dict.fromkeys(one.where for one in others if one.where not in (None, first.where)))
        shown = ", ".join(str(place) for place in places[:_MOST_PLACES])
        more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
        yield f"{first}\n  The same at {shown}{more}." if places else str(first)


class ServerError(MetaPrefectError):
    """Something about the Prefect API."""


class NoApiConfiguredError(ServerError):
    """There is no Prefect API to deploy to, and none may be started here."""


class TemporaryServerError(ServerError):
    """May go away by itself: such errors are retried."""


class UnreachableError(TemporaryServerError):
    """The Prefect API does not answer."""


class OverloadedError(TemporaryServerError):
    """The Prefect API answers that it cannot serve the request now (429, 502, 503, 504)."""


class RefusedError(ServerError):
    """The Prefect API understood a request and refused it; asking again would not help."""


class MovedError(ServerError):
    """A live object is neither what the plan saw nor what the plan wants: somebody else changed it meanwhile."""


class ProcessError(MetaPrefectError):
    """A server or worker process of this host did not start, or did not stop."""


class NotApproved(MetaPrefectError):  # noqa: N818 - a verdict, as in Prefect's own state names
    """A person has rejected a deploy, or nobody answered in time; nothing was written."""


class DriftFound(MetaPrefectError):  # noqa: N818 - a verdict, as in Prefect's own state names
    """Somebody has changed what was deployed, and the policy is to fail or it could not be set right."""


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
    """Say which known name was probably meant, and otherwise which names there are.

    Returns:
        For example ``Did you mean 'schedule'?`` or ``Known: env, name, schedule.``, or an empty string where nothing is known.
    """
    names = sorted(set(known))
    if close := difflib.get_close_matches(value, names, n=1):
        return f"Did you mean {close[0]!r}?"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"Known: {', '.join(names[:_MOST_NAMES])}{more}." if names else ""


@contextmanager
def about(*keys: str, value: object = None) -> Generator[None]:
    """Note of what is raised inside which value it is about; see :meth:`ConfigurationError.is_about`."""
    try:
        yield
    except ConfigurationError as error:
        error.is_about(*keys, value=value)
        raise


def hint_of(error: ValidationError) -> str | None:
    """What the validator that found something first says to do about it."""
    return error.errors()[0].get("ctx", {}).get("hint")


def first_line(error: ValidationError) -> str:
    """What pydantic found first, in one line."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {said(first)} {got(first)}" if place else said(first)


def noted(made: ConfigurationErrorT, error: ValidationError) -> ConfigurationErrorT:
    """Let an error be about the value that pydantic found wrong first."""
    first = error.errors()[0]
    made.is_about(*map(str, first["loc"]), value=first["input"])
    return made


def got(details: Mapping[str, Any]) -> str:
    """What was given where pydantic found something: ``(got 'x')``, or ``(got (hidden))`` where that may be a secret.

    Args:
        details: One of the errors of a pydantic error.
    """
    return f"(got {HIDDEN if _is_secret(details) else quoted(details['input'], *details['loc'])})"


def said(details: Mapping[str, Any]) -> str:
    """What pydantic or a check of ours says of a value, without any secret that is quoted in it.

    Args:
        details: One of the errors of a pydantic error.
    """
    message = str(details["msg"]).removeprefix("Value error, ")
    given: Any = details["input"]
    secrets = [given] if _is_secret(details) and isinstance(given, str) else secret_values(given, *details["loc"])
    for secret in secrets:
        # Where it stands alone: a secret of one letter would otherwise be found in the message's own words.
        message = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, message.replace(repr(secret), HIDDEN))
    return message


def _is_secret(details: Mapping[str, Any]) -> bool:
    """Whether a value stands where a secret would: also one that looks like a reference may be none."""
    return isinstance(details["input"], str | int | float) and any(
        is_secret_name(part) for part in details["loc"] if isinstance(part, str)
    )
