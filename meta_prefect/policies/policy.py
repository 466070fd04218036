"""``@policy``: a typed function that looks at a finished deployment and says what it does against a team's opinion."""

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
"""What makes a deployment this one: no policy changes that."""


class Policy:
    """A policy that may be put into force: with its options, as a :class:`Rule`.

    Args:
        function: Takes a finished deployment, and options by name; yields violations, or returns the changed deployment where
            the level is ``fix``. The first line of its docstring is what it asks for, the ``Args`` are the help of its options.
        level: What it does.

    Raises:
        PolicyError: The function cannot be one.
    """

    def __init__(self, function: Callable[..., Any], *, level: Level = "deny") -> None:
        self.function = function
        self.level: Level = level
        if level not in get_args(Level):
            raise PolicyError(f"there is no level {level!r}", where=str(self), hint=nearest(level, get_args(Level)))
        self.options_model: type[BaseModel] = options_model(function, where=str(self))

    @property
    def name(self) -> str:
        """The name by which it is asked for, and exempted from."""
        return self.function.__name__

    @property
    def summary(self) -> str:
        """What it asks for: the first line of its docstring."""
        return parse(inspect.getdoc(self.function) or "").short_description or ""

    @property
    def origin(self) -> str:
        """Where it is defined: ``module:function``."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    def __call__(self, finished: FinishedDeployment, **options: Any) -> Any:
        """Call the function itself."""
        return self.function(finished, **options)

    def with_options(self, *, level: Level | None = None, environments: Iterable[str] = (), **options: Any) -> Rule:
        """Put it into force in code; what stands in a module beside policies is in force where that module is.

        Args:
            level: ``warn`` where it is only to be said; by default its own.
            environments: The environments in which it counts, or patterns of them; none means all.
            options: Its options.

        Raises:
            PolicyError: An option does not fit.
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
        """Put it into force, as somebody has asked for somewhere.

        Args:
            options: Its options.
            level: ``warn`` where it is only to be said; by default its own.
            environments: The environments in which it counts, or patterns of them; none means all.
            origin: Where somebody has asked for it.

        Raises:
            PolicyError: An option does not fit.
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
        level: What it does.
        environments: The environments in which it counts, or patterns of them; none means all.
        origin: Who has asked for it: a place in a file, a package, the deployer.
        is_enforced: Whether it holds whatever the project says.
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
        """Whether it is about a deployment."""
        return not self.environments or any(fits(finished.environment, one) for one in self.environments)

    def violations(self, finished: FinishedDeployment) -> tuple[Violation, ...]:
        """What a deployment does against it; nothing where it changes deployments itself, or does not count there.

        Raises:
            PolicyError: The policy does not work.
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
        """A deployment as it is to be; the same one where there is nothing to change.

        Raises:
            PolicyError: The policy does not work.
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
    """Make a policy of a typed function over a :class:`FinishedDeployment`.

    It yields a :class:`Violation` for each thing that is wrong; of the level ``fix`` it returns the changed deployment
    instead, of which it gets a private copy. Its other parameters are options: whoever puts the policy into force gives them
    by name.

    Args:
        function: The function.
        level: What it does: ``deny``, ``warn`` or ``fix``.

    Raises:
        PolicyError: The function's signature does not fit.
    """
    return partial(Policy, level=level) if function is None else Policy(function, level=level)
