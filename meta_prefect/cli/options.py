"""Options and option groups shared by commands; a group is a single parameter of its command.

Importing this is cheap, so that a command's help appears before anything of Prefect is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from meta_prefect.cli.completion import DEPLOYMENTS, ENVIRONMENTS, TARGETS
from meta_prefect.errors import TargetError

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
Several = Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)]

ProjectPath = Annotated[Path, Parameter(name="--path", help="The project's folder, or a file in it.")]
Debug = Annotated[Flag, Parameter(help="Show Prefect's own log, and tracebacks.")]
DryRun = Annotated[Flag, Parameter(help="Plan, and write nothing.")]
Yes = Annotated[Flag, Parameter(name=["--yes", "-y"], help="Do not ask.")]
Target = Annotated[str, Parameter(completer=TARGETS)]
Deployment = Annotated[str, Parameter(completer=DEPLOYMENTS)]
Environment = Annotated[
    str | None,
    Parameter(
        name=["--env", "-e"],
        help="The environment; by default META_PREFECT__ENV, else dev.",
        completer=ENVIRONMENTS,
    ),
]
ServerOf = Annotated[
    str | None,
    Parameter(
        name=["--env", "-e"],
        help="The environment whose server is asked, where the project names one.",
        completer=ENVIRONMENTS,
    ),
]
Select = Annotated[Several, Parameter(help="Only what matches, by flow or deployment: `etl-*`, `*/nightly-*`.")]
Quiet = Annotated[
    Flag, Parameter(name=["--quiet", "-q"], help="Print errors, failures and the closing line, and nothing else.")
]
Form = Annotated[Literal["text", "json"], Parameter(help="How to print.")]

Every = Annotated[Flag, Parameter(name="--all", help="Name what is unchanged or in sync too, however many there are.")]

OnError = Literal["stop", "keep-going", "atomic"]


@Parameter(name="*", group=Group("What to deploy", sort_key=1))
@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What is deployed, as a plan of it records it."""

    env: Environment = None
    select: Select = ()
    only_changed: Annotated[
        Flag, Parameter(help="Leave alone what differs in nothing but a version that counts deploys.")
    ] = False
    bump: Annotated[
        Flag, Parameter(help="Count this deploy even where nothing else differs and scheduled runs are created anew.")
    ] = False
    adopt: Annotated[
        Flag,
        Parameter(help="Take over what has the same name and nobody manages: deployments, variables, blocks, limits."),
    ] = False
    local_code: Annotated[
        Flag,
        Parameter(help="Let runs start in this folder even where the project's deployer has deployed them from Git."),
    ] = False
    new_environment: Annotated[
        Flag, Parameter(name="--new-env", help="The environment is a new one, though nearly the name of another.")
    ] = False
    expires: Annotated[
        str | None,
        Parameter(
            help="An environment of its own, taken down after `12h` or `3d`; what is created in it begins paused."
        ),
    ] = None
    prune: Annotated[
        Flag, Parameter(help="Delete the project's deployments that are no longer in it, after all else.")
    ] = False
    max_deletes: Annotated[
        int | None, Parameter(help="Refuse to prune more than this; by default a fifth, and at least 3.")
    ] = None

    def given(self) -> dict[str, Any]:
        """Return the options in the form of :func:`meta_prefect.deploy.deploy`.

        Raises:
            TargetError: Two of them contradict each other.
        """
        if self.only_changed and self.bump:
            raise TargetError("--only-changed and --bump contradict each other", hint="Give one of them.")
        return asdict(self)


@Parameter(name="*", group=Group("How", sort_key=2))
@dataclass(frozen=True, kw_only=True)
class ApplyOptions:
    """How a deploy goes about it."""

    dry_run: DryRun = False
    plan: Annotated[
        str | None,
        Parameter(
            help="Apply exactly the plan that `meta-prefect plan` made in this run, or nothing if it is outdated."
        ),
    ] = None
    keep_going: Annotated[Flag, Parameter(help="Deploy what is sound even where something else is not.")] = False
    atomic: Annotated[Flag, Parameter(help="Where something cannot be written, put back what has been written.")] = (
        False
    )
    force: Annotated[Flag, Parameter(help="Prune without waiting for runs that are under way.")] = False

    def given(self) -> dict[str, Any]:
        """Return the options in the form of :func:`meta_prefect.deploy.deploy`.

        Raises:
            TargetError: Two of them contradict each other.
        """
        if self.keep_going and self.atomic:
            raise TargetError("--keep-going and --atomic contradict each other", hint="Give one of them.")
        on_error: OnError = "keep-going" if self.keep_going else "atomic" if self.atomic else "stop"
        return {"dry_run": self.dry_run, "plan": self.plan, "on_error": on_error, "force": self.force}


@Parameter(name="*", group=Group("Where", sort_key=3))
@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """Who deploys, and to which server."""

    remote: Annotated[
        Flag, Parameter(help="Let the project's deployer do it (see `bootstrap`), and follow its run.")
    ] = False
    revision: Annotated[str | None, Parameter(help="With --remote: the branch, tag or commit to deploy.")] = None
    local: Annotated[Flag, Parameter(help="Allow a server to be started in CI, containers and flow runs too.")] = False
    auth: Annotated[
        bool | None,
        Parameter(
            negative="--no-auth",
            show_default=False,
            help="Whether a server that is started on this host asks for authentication. By default a new one does.",
        ),
    ] = None
    no_build: Annotated[Flag, Parameter(help="Build no images; they are in their registries.")] = False


def explicit_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given explicitly, including ``--max-deletes 0``, although Python considers 0 false."""
    return {name: value for name, value in options.items() if value is not None and value is not False and value != ()}


def refuse_beside_plan(what: PlanOptions) -> None:
    """Reject plan options next to a saved plan, which already contains them.

    Raises:
        TargetError: There are such options.
    """
    options = {"new_environment": "new-env"}
    # The environment is allowed: it determines which server stores the plan.
    asked = explicit_options(what.given()).keys() - {"env"}
    if given := [f"--{options.get(name, name.replace('_', '-'))}" for name in what.given() if name in asked]:
        raise TargetError(
            f"--plan and {', '.join(given)} do not go together: what is deployed is recorded with the plan",
            hint="Give these options to `meta-prefect plan`.",
        )


def read_settings(given: tuple[str, ...]) -> dict[str, Any]:
    """Parse the values of ``--set``, ``name=value``; values that are valid JSON are parsed, others are text.

    Raises:
        TargetError: An ``=`` is missing.
    """
    variables: dict[str, Any] = {}
    for text in given:
        name, mark, value = text.partition("=")
        if not mark:
            raise TargetError(f"{text!r} sets nothing", where="--set", hint="Write it as `--set name=value`.")
        try:
            variables[name] = json.loads(value)
        except ValueError:
            variables[name] = value
    return variables
