"""Validates a prefect.yaml with the installed version of Prefect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def errors_in(file: Path) -> Sequence[ErrorDetails]:
    """Return the errors from Prefect's own model of the file; none if this version has no such model."""
    try:
        from prefect.cli.deploy._models import PrefectYamlModel
    except ImportError:
        return ()
    raw: Any = yaml.safe_load(file.read_bytes())
    try:
        PrefectYamlModel.model_validate(raw)
    except ValidationError as error:
        return error.errors(include_url=False, include_input=False)
    return ()
