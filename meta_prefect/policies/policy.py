"""``@policy``: turns a typed function that checks a finished deployment into a policy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, cast, get_args, overload

from docstring_parser import parse
from pydantic import BaseModel, ValidationError

from meta_prefect.errors import PolicyError, first_line, hint_of, nearest, noted
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.policies.options import options_model
from meta_prefect.policies.values import FinishedDeployment, Level, Violation
from meta_prefect.project.environments import fits

_FIXED: Final = frozenset({"flow", "context", "environment", "id", "name", "renamed_from"})
"""The fields that identify a deployment, which policies must not change."""


class Policy:
    """A policy that can be put into force, which together with its options makes a :class:`Rule`.

    Args:
        function: Takes a finished deployment and keyword options; yields violations, or returns the changed deployment if the
            level is ``fix``. The first line of its docstring is its summary, and ``Args`` documents its options.
        level: ``deny``, ``warn`` or ``fix``.

    Raises:
        PolicyError: The function's signature is not supported.
    """

    def __init__(self, function: Callable[..., Any], *, level: Level = "deny") -> None:
        self.function = function
        self.level: Level = level
        if level not in get_args(Level):
            raise PolicyError(f"there is no level {level!r}", where=str(self), hint=nearest(level, get_args(Level)))
        self.options_model: type[BaseModel] = options_model(function, where=str(self))

    @property
    def name(self) -> str:
        """The name by which it is put into force and exempted from."""
        return self.function.__name__

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return parse(inspect.getdoc(self.function) or "").short_description or ""

    @property
    def origin(self) -> str:
        """Where it is defined: ``module:function``."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    def __call__(self, finished: FinishedDeployment, **options: Any) -> Any:
        """Call the underlying function."""
        return self.function(finished, **options)

    def with_options(self, *, level: Level | None = None, environments: Iterable[str] = (), **options: Any) -> Rule:
        """Put it into force in code; a rule defined in a module is in force wherever the module's policies are.

        Args:
            level: ``warn`` to only report violations; defaults to its own.
            environments: The environments it applies to, or patterns of them; none means all.
            options: Its options.

        Raises:
            PolicyError: An option is invalid.
        """
        return self.rule(options, level=level, environments=environments)

    def rule(
        self,
        options: Mapping[str, Any],
        *,
        level: Level | None = None,
        environments: Iterable[str] = (),
        origin: str = "",
    ) -> Rule:
        """Put it into force with options from a file or package.

        Args:
            options: Its options.
            level: ``warn`` to only report violations; defaults to its own.
            environments: The environments it applies to, or patterns of them; none means all.
            origin: Where it was put into force.

        Raises:
            PolicyError: An option is invalid.
        """
        if level is not None and level != self.level and "fix" in (level, self.level):
            hint = (
                "A policy that changes deployments does that or nothing; one that finds what is wrong cannot mend it."
            )
            raise PolicyError(f"{self}: its level is {self.level!r}, and cannot be {level!r}", hint=hint)
        try:
            checked = self.options_model.model_validate(dict(options))
        except ValidationError as error:
            raise self._refused(error) from None
        values = {name: getattr(checked, name) for name in type(checked).model_fields}
        return Rule(self, values, level or self.level, tuple(environments), origin)

    def _refused(self, error: ValidationError) -> PolicyError:
        first = error.errors()[0]
        option = str(first["loc"][0])
        match first["type"]:
            case "missing":
                hint = self.options_model.model_fields[option].description
                return PolicyError(f"{self}: the option {option!r} is missing", hint=hint)
            case "extra_forbidden":
                hint = nearest(option, self.options_model.model_fields) or "It has no options."
                return noted(PolicyError(f"{self}: unknown option {option!r}", hint=hint), error)
            case _:
                return noted(PolicyError(f"{self}: {first_line(error)}", hint=hint_of(error)), error)

    def __str__(self) -> str:
        return f"policy {self.name}"

    def __repr__(self) -> str:
        return f"<policy {self.origin}>"


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy in force.

    Attributes:
        policy: The policy.
        options: Its options.
        level: Its level.
        environments: The environments it applies to, or patterns of them; none means all.
        origin: Where it was put into force: a position in a file, a package, or the deployer.
        is_enforced: Whether it was enforced by the deployer and cannot be changed by the project.
    """

    policy: Policy
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    level: Level = "deny"
    environments: tuple[str, ...] = ()
    origin: str = ""
    is_enforced: bool = False

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.policy.name

    def counts_for(self, finished: FinishedDeployment) -> bool:
        """Return whether it applies to a deployment."""
        return not self.environments or any(fits(finished.environment, one) for one in self.environments)

    def violations(self, finished: FinishedDeployment) -> tuple[Violation, ...]:
        """Return a deployment's violations; none if the policy's level is ``fix`` or it does not apply.

        Raises:
            PolicyError: The policy itself failed.
        """
        if self.level == "fix" or not self.counts_for(finished):
            return ()
        found = self._asked(finished)
        if not isinstance(found, Iterable):
            raise self._broken(f"returned {found!r}", "Let it `yield Violation(…)`, or return a list of them.")
        try:
            made = list(cast("Iterable[object]", found))
        except Exception as error:
            raise self._broken(f"raised {type(error).__name__}: {error}") from error
        for one in made:
            if not isinstance(one, Violation):
                raise self._broken(f"gave {one!r}, which is no Violation", "Let it `yield Violation(…)`.")
        violations = cast("list[Violation]", made)
        summary = self.policy.summary or None
        return tuple(replace(one, policy=self.name, level=self.level, hint=one.hint or summary) for one in violations)

    def fixed(self, finished: FinishedDeployment) -> Deployment:
        """Return the deployment as the policy wants it; the same object if nothing changes.

        Raises:
            PolicyError: The policy itself failed.
        """
        before = finished.deployment
        if self.level != "fix" or not self.counts_for(finished):
            return before
        made = self._asked(replace(finished, deployment=before.private_copy()))
        if not isinstance(made, Deployment):
            raise self._broken(f"returned {made!r}, which is no deployment", "Return the changed deployment.")
        for name in _FIXED:
            if getattr(made, name) != getattr(before, name):
                raise self._broken(f"changed the deployment's {name}", "A builder or the project file says that.")
        return made if made != before else before

    def _asked(self, finished: FinishedDeployment) -> object:
        try:
            return self.policy.function(finished, **self.options)
        except Exception as error:
            raise self._broken(f"raised {type(error).__name__}: {error}") from error

    def _broken(self, what: str, hint: str | None = None) -> PolicyError:
        return PolicyError(f"{self.policy} ({self.policy.origin}) {what}", hint=hint)

    def __str__(self) -> str:
        return self.name


@overload
def policy(function: Callable[..., Iterable[Violation]], /) -> Policy: ...
@overload
def policy(*, level: Level) -> Callable[[Callable[..., Iterable[Violation] | Deployment]], Policy]: ...
def policy(function: Callable[..., Any] | None = None, /, *, level: Level = "deny") -> Any:
    """Turn a typed function of a :class:`FinishedDeployment` into a policy.

    It yields a :class:`Violation` for each problem; with the level ``fix``, it instead returns the changed deployment, of
    which it gets a private copy. Its other parameters are options, given by name when the policy is put into force.

    Args:
        function: The function.
        level: ``deny``, ``warn`` or ``fix``.

    Raises:
        PolicyError: The function's signature is not supported.
    """
    return partial(Policy, level=level) if function is None else Policy(function, level=level)
