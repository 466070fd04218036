"""The reference of commands, recipes, builders and settings, as the code says it; running this file renews the page."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args
from unittest.mock import patch

from griffe import Docstring, DocstringSectionAttributes, parse_google
from pydantic import BaseModel

from meta_prefect.cli.app import app
from meta_prefect.implementations.builder import Builder
from meta_prefect.plan.environment_status import EnvironmentStatus
from meta_prefect.plan.project_history import ProjectDeploy
from meta_prefect.plan.status import ProjectStatus
from meta_prefect.recipes.describing import describe
from meta_prefect.recipes.reference_page import in_cell, reference_lines
from meta_prefect.recipes.registry import Recipes
from meta_prefect.report import Report
from meta_prefect.report.plan_json import PlanDocument
from meta_prefect.settings import Settings

PAGE = Path(__file__).parents[2] / "meta_prefect" / "REFERENCE.md"
CONCERNS = ("metadata", "schedule", "infra", "code", "run_settings", "concurrency", "notification", "task_runner")
JSON_FORMS: Mapping[str, tuple[type[BaseModel], str]] = {
    "plan": (PlanDocument, ""),
    "deploy": (Report, "- `version`: The version of this form."),
    "status": (ProjectStatus, ""),
    "environments": (EnvironmentStatus, "A list of these:\n"),
    "history --project": (ProjectDeploy, "A list of these:\n"),
}
INTERNAL = {"deployer", "decorated_flow_deployer"}
"""Recipes that no project names."""


def reference() -> str:
    """The whole page."""
    parts = ["# Reference", "Made from the code by `uv run python tests/readme/reference.py`.", "", *_commands()]
    parts += ["", "## Recipes", "", *_recipes(), "## Builders", "", *_builders(), "## Environment variables", ""]
    parts += [*_settings(), "", "## JSON forms", "", *_json_forms()]
    return "\n".join(parts)


def _commands() -> Iterator[str]:
    with patch.object(sys, "argv", ["meta-prefect"]):  # else what `python -m` runs stands among the options
        text = app.generate_docs(output_format="markdown")
    text = text[text.index("## meta-prefect init") :]
    text = re.sub(r"^(#+) meta-prefect", r"#\1 meta-prefect", text, flags=re.MULTILINE)
    yield "## Commands\n"
    yield re.sub(r"```console\n(.+?)\n```", r"`\1`", text).strip()


def _recipes() -> Iterator[str]:
    yield from reference_lines([describe(one) for one in Recipes().all() if one.recipe_name not in INTERNAL], level=3)


def _builders() -> Iterator[str]:
    for concern in CONCERNS:
        module = importlib.import_module(f"meta_prefect.implementations.{concern}")
        yield f"### meta_prefect.implementations.{concern}\n"
        for name in module.__all__:
            builder = getattr(module, name)
            if not (inspect.isclass(builder) and issubclass(builder, Builder) and builder.__name__ == name):
                continue
            summary = _plain(inspect.getdoc(builder) or "").partition("\n")[0]
            yield f"`{name}({', '.join(inspect.signature(builder).parameters)})`: {summary}\n"
            described = _attributes(builder)
            yield from (
                f"- `{key}`: {described[key]}" for key in inspect.signature(builder).parameters if key in described
            )
            yield ""


def _attributes(builder: type) -> dict[str, str]:
    """What a builder's docstring, and those of what it derives from, say of its parameters."""
    found: dict[str, str] = {}
    for one in reversed(builder.__mro__):
        for section in parse_google(Docstring(inspect.cleandoc(one.__doc__ or "")), warnings=False):
            if isinstance(section, DocstringSectionAttributes):
                found |= {attribute.name: in_cell(attribute.description) for attribute in section.value}
    return found


def _settings() -> Iterator[str]:
    yield "| variable | default | |\n|---|---|---|"
    described = _attributes(Settings)
    prefix = Settings.model_config.get("env_prefix", "")
    for name, field in Settings.model_fields.items():
        said = re.sub(r"^`\w+`[,;]? ", "", described[name])
        default = "" if field.default in {None, ()} else f"`{str(field.default).lower()}`"
        yield f"| `{prefix}{name.upper()}` | {default} | {said[:1].upper()}{said[1:]} |"


def _json_forms() -> Iterator[str]:
    yield "What a command prints with `--output json`. A key that is added changes no version; an error is an object of its own:"
    yield '`{"errors": [{"file", "line", "column", "where", "message", "hint"}]}`.\n'
    for command, (form, version) in JSON_FORMS.items():
        yield f"### `meta-prefect {command} --output json`\n"
        if version:
            yield version
        yield from _members(form)
        told: set[type[BaseModel]] = set()
        for name, below in _forms_within(form).items():
            if below not in told:
                told.add(below)
                yield f"{name}:\n"
                yield from _members(below)


def _members(form: type[BaseModel]) -> Iterator[str]:
    described = _attributes(form)
    for name, field in form.model_fields.items():
        if field.annotation != PlanDocument | None:
            yield f"- `{name}`: {described.get(name) or field.description or ''}".replace("None", "null")
    yield ""


def _forms_within(form: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The forms of what stands in a form, by the words that say where."""
    found: dict[str, type[BaseModel]] = {}
    for name, field in form.model_fields.items():
        for below in _models(field.annotation):
            if below is not PlanDocument:
                found |= {f"`{name}`": below}
                found |= {f"{deeper} of `{name}`": one for deeper, one in _forms_within(below).items()}
    return found


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _plain(text: str) -> str:
    return text.replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(reference())
