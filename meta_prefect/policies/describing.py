"""Describes policies as values, for the command line."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from typing import ClassVar

from docstring_parser import parse
from pydantic import BaseModel, ConfigDict

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.policies.policy import Policy, Rule
from meta_prefect.policies.values import Level


class OptionDescription(BaseModel):
    """One option of a policy.

    Attributes:
        name: Its name.
        required: Whether it must be given when the policy is put into force.
        default: Its default as JSON.
        help: Its help text, from the policy's docstring.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str
    required: bool
    default: str = ""
    help: str = ""


class PolicyDescription(BaseModel):
    """A policy.

    Attributes:
        name: Its name.
        summary: The first line of its docstring.
        text: The rest of its docstring.
        level: Its default level.
        origin: Where it is defined.
        options: Its options.
        in_force: Where it was put into force, with options and environments if given; empty if it is not in force.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    text: str
    level: Level
    origin: str
    options: tuple[OptionDescription, ...]
    in_force: tuple[str, ...]


def describe(policy: Policy, rules: Iterable[Rule]) -> PolicyDescription:
    """Describe a policy.

    Args:
        policy: The policy.
        rules: The policies in force.
    """
    parsed = parse(inspect.getdoc(policy.function) or "")
    # In the form in which users write them ('15m'), which may differ from the schema's.
    defaults: Record = policy.options_model.model_construct().model_dump(mode="json")
    return PolicyDescription(
        name=policy.name,
        summary=policy.summary,
        text=parsed.long_description or "",
        level=policy.level,
        origin=policy.origin,
        options=tuple(
            OptionDescription(
                name=name,
                required=field.is_required(),
                default=json.dumps(defaults[name]) if name in defaults else "",
                help=field.description or "",
            )
            for name, field in policy.options_model.model_fields.items()
        ),
        in_force=tuple(_in_force(rule) for rule in rules if rule.policy.origin == policy.origin),
    )


def _in_force(rule: Rule) -> str:
    """For example ``meta_prefect.yaml:4:5: policies[0] (most: 2; warn; in prod)``."""
    options = rule.policy.options_model.model_validate(rule.options).model_dump(mode="json", exclude_defaults=True)
    said = [", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in options.items())]
    said.append(rule.level if rule.level != rule.policy.level else "")
    said.append(f"in {', '.join(rule.environments)}" if rule.environments else "")
    about = "; ".join(filter(None, said))
    return f"{rule.origin} ({about})" if about else rule.origin
