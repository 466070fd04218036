"""A prefect.yaml as Prefect reads it, and remarks about positions in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic_core import to_jsonable_python

from meta_prefect.errors import ProjectFileError, ValidationFailed
from meta_prefect.files import read_regular
from meta_prefect.init.found import Remark
from meta_prefect.project.document import Document, KeyPath, parse_document

NO_EFFECT = "has had no effect until now"


@dataclass(slots=True)
class Source:
    """A file being read.

    Attributes:
        root: The folder in which `prefect deploy` runs: the file's own.
        document: Knows the position of each value.
        data: The file as Prefect reads it: in YAML 1.1, where 12:30 is 750 and the last of two equal keys wins.
        remarks: The remarks so far.
    """

    root: Path
    document: Document
    data: Mapping[str, Any]
    remarks: list[Remark] = field(default_factory=list[Remark])

    def say(self, path: KeyPath, text: str) -> None:
        """Remark on the value at a path, once."""
        line, _ = self.document.position(path)
        key = self.document.locate(path).partition(": ")[2]
        remark = Remark(f"{self.document.name}:{line}", key, text)
        if remark not in self.remarks:
            self.remarks.append(remark)

    def mapping(self, value: Any, path: KeyPath) -> Mapping[str, Any]:
        """Return a value as a mapping; an empty one if it is missing, or with a remark if it is anything else."""
        if isinstance(value, Mapping):
            return cast("Mapping[str, Any]", value)
        if value:
            self.say(path, "is to be a mapping of names to values; it is left out")
        return {}

    def items(self, value: Any, path: KeyPath) -> Sequence[Any]:
        """Return a value as a list; an empty one if it is missing, or with a remark if it is anything else."""
        if isinstance(value, list):
            return cast("list[Any]", value)
        if value:
            self.say(path, "is to be a list; it is left out")
        return ()

    def take_remarks(self) -> tuple[Remark, ...]:
        """Return and clear the remarks so far."""
        taken = tuple(self.remarks)
        self.remarks.clear()
        return taken


def open_source(file: Path) -> Source:
    """Read a prefect.yaml.

    Raises:
        ValidationFailed: It cannot be read, or is not a YAML mapping.
    """
    try:
        content = read_regular(file)
        document = parse_document(file.name, content)
        # The document comes first: it rejects values nested too deeply or containing themselves.
        data: Any = to_jsonable_python(yaml.safe_load(content))
    except OSError as error:
        raise ValidationFailed([_unreadable(file, f"it cannot be read: {error.strerror}")]) from None
    except ProjectFileError as error:
        raise ValidationFailed([error]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ValidationFailed([_unreadable(file, f"Prefect cannot read it: {error}")]) from None
    if not isinstance(data, dict):
        raise ValidationFailed([_unreadable(file, "it holds no keys such as `deployments`")])
    source = Source(file.resolve().parent, document, cast("dict[str, Any]", data))
    for problem in document.problems:
        line, _, rest = (problem.where or "").partition(": ")
        place = ":".join(line.split(":")[:2])
        source.remarks.append(Remark(place, rest, f"{problem.message}: what Prefect takes it for is taken over"))
    return source


def _unreadable(file: Path, message: str) -> ProjectFileError:
    return ProjectFileError(message, where=str(file))
