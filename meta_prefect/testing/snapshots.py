"""Snapshots: YAML files with the values of tests, for people to review."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from pydantic_core import to_jsonable_python

from meta_prefect.init.yaml_text import yaml_lines
from meta_prefect.interfaces.deployment import Deployment, VersionRule
from meta_prefect.interfaces.json_diff import Record, is_mapping
from meta_prefect.plan.changes import Plan
from meta_prefect.plan.deployment_record import desired_record
from meta_prefect.redaction import hidden
from meta_prefect.report.plan_json import document
from meta_prefect.testing.deployments import ReadyDeployment

__all__ = ["UPDATE_OPTION", "Snapshots"]

UPDATE_OPTION: Final = "--meta-prefect-update"
"""The pytest option that writes snapshots instead of comparing with them."""

_UNREADABLE: Final = ("parameter_openapi_schema", "path")


class Snapshots:
    """Compares values of a test with files in ``snapshots/`` next to it.

    A deployment is stored with all written fields except its parameter schema, a plan with its changes, anything else as
    JSON; empty values are omitted. Secrets are hidden, and paths in the tests' folder start with ``<root>``.

    Args:
        file: The test's file.
        test: The test's name.
        root: The root folder of the tests.
        update: Whether to write the files.
    """

    def __init__(self, file: Path, test: str, root: Path, *, update: bool) -> None:
        self._folder = file.parent / "snapshots" / file.stem
        self._test = re.sub(r"[^\w.-]+", "-", test).strip("-")
        self._root = root
        self._update = update

    def __call__(self, value: object, name: str = "") -> None:
        """Compare a value with its snapshot.

        Args:
            value: A deployment, a plan, a job, or anything else with a JSON form.
            name: Distinguishes several values of one test.

        Raises:
            AssertionError: The value differs, or there is no snapshot yet.
        """
        __tracebackhide__ = True
        file = self._folder / f"{self._test}{f'.{name}' if name else ''}.yaml"
        text = self._text(value)
        if self._update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            return
        if not file.is_file():
            raise AssertionError(f"{file}: there is no snapshot yet; `pytest {UPDATE_OPTION}` writes it")
        stored = file.read_text(encoding="utf-8")
        if stored != text:
            lines = difflib.unified_diff(
                stored.splitlines(), text.splitlines(), "the snapshot", "now", lineterm="", n=2
            )
            raise AssertionError(
                f"{file} differs; if that is meant, `pytest {UPDATE_OPTION}` writes it anew\n" + "\n".join(lines)
            )

    def _text(self, value: object) -> str:
        plain = self._shown(hidden(to_jsonable_python(_plain(value), fallback=str)))
        return "\n".join(yaml_lines(plain if is_mapping(plain) else {"value": plain})) + "\n"

    def _shown(self, value: Any) -> Any:
        """Omit empty values at any depth (but not false or 0), and replace the tests' folder in paths."""
        if is_mapping(value):
            pairs = ((key, self._shown(inner)) for key, inner in value.items())
            return {key: inner for key, inner in pairs if inner not in (None, "", [], {})}
        if isinstance(value, list):
            return [self._shown(inner) for inner in cast("list[Any]", value)]
        return value.replace(str(self._root), "<root>") if isinstance(value, str) else value


def _plain(value: object) -> object:
    match value:
        case Deployment():
            return _record(value)
        case Plan():
            return dict(_changes(value))
        case _:
            return value


def _record(deployment: Deployment) -> Record:
    record = {key: one for key, one in desired_record(deployment).items() if key not in _UNREADABLE}
    if isinstance(deployment.version, VersionRule):
        record["version"] = deployment.version.value
    needs = [str(one) for one in deployment.components] if isinstance(deployment, ReadyDeployment) else []
    return {"deployment": deployment.full_name, **record, "needs": needs}


def _changes(plan: Plan) -> Iterator[tuple[str, Any]]:
    for one in document(plan).changes:
        fields = [field for field in one.fields if not field.path.startswith(_UNREADABLE)]
        if one.action == "create":
            yield f"create {one.kind} {one.name}", {field.path: field.after for field in fields}
        else:
            both = {field.path: {"before": field.before, "after": field.after} for field in fields}
            yield f"{one.action} {one.kind} {one.name}", both or one.detail
