"""The output of `meta-prefect init`: the new project, the differences, and what is left to do."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from meta_prefect.init.beginning import Beginning, NewFiles
from meta_prefect.init.found import Remark
from meta_prefect.interfaces.json_diff import ABSENT
from meta_prefect.plan.outcomes import counted, listed
from meta_prefect.redaction import hidden
from meta_prefect.report.plan_text import field_line
from meta_prefect.settings import read_settings


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary of a new project.

    Attributes:
        beginning: Its input.
        files: Its files.
        compared_with: A description of what its deployments were compared with; empty if there is nothing.
    """

    beginning: Beginning
    files: NewFiles
    compared_with: str = ""

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """Everything that could not be carried over or that the user should know."""
        return (*self.beginning.remarks, *(remark for one in self.files.entries for remark in one.remarks))

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text output."""
        proof, entries = self.files.proof, self.files.entries
        written = sum(one.refused is None for one in entries)
        flows = listed(one.flow for one in entries if one.refused is None)
        yield f"project {self.beginning.name}, from {self.beginning.source}: {counted(written, 'entry', 'entries')} ({flows})"
        if self.compared_with and proof.compared:
            count = ", and a version that counts deploys" if proof.counted else ""
            mark = f"but for the mark of the project (two tags, META_PREFECT__ENV, slugs of schedules{count})"
            yield f"equal to {self.compared_with} {mark}: {len(proof.equal)} of {counted(len(proof.compared), 'deployment')}"
        for line, names in self._differences().items():
            yield f"  {line} ({listed(names)})"
        if self.compared_with and proof.compared and proof.missing:
            yield f"  would be created: {listed(proof.missing)}"
        for remark in self.remarks:
            yield f"note: {remark.place}: {f'{remark.key}: ' if remark.key else ''}{remark.text}"
        for one in entries:
            if one.refused is not None:
                name = f"{one.flow}/{one.variables['name']}"
                yield f"note: {name} is a comment in the file, as it cannot be deployed: {one.refused}"
        for error in (*proof.errors, *(error for errors in proof.of_entries for error in errors)):
            yield f"note: before you deploy: {error}"

    def _differences(self) -> dict[str, list[str]]:
        """Return the distinct differences, each with its deployments."""
        found: dict[str, list[str]] = {}
        for one in self.files.proof.differences:
            found.setdefault(str(field_line(one.path, one.before, one.after)), []).append(one.subject)
        return found

    def commands(self, path: str, *, adopts: bool) -> list[str]:
        """Return the commands to run next.

        Args:
            path: The project's folder as given; empty for the current one.
            adopts: Whether its deployments already exist.
        """
        command = " ".join(filter(None, ("meta-prefect plan", path and shlex.quote(path), "--adopt" if adopts else "")))
        environments = self.beginning.environments
        if environments == (read_settings().env,):
            return [command]
        return [f"{command} --env {shlex.quote(one)}" for one in environments]

    def document(self, commands: Sequence[str]) -> dict[str, Any]:
        """Return the JSON output."""
        proof = self.files.proof
        return {
            "project": self.beginning.name,
            "files": list(self.files.texts),
            "entries": sum(one.refused is None for one in self.files.entries),
            "equal": list(proof.equal),
            "differences": [
                {
                    **asdict(one),
                    "before": hidden(_plain(one.before), one.path),
                    "after": hidden(_plain(one.after), one.path),
                }
                for one in proof.differences
            ],
            "missing": list(proof.missing),
            "refused": {
                f"{one.flow}/{one.variables['name']}": one.refused for one in self.files.entries if one.refused
            },
            "errors": [
                str(error) for error in (*proof.errors, *(error for errors in proof.of_entries for error in errors))
            ],
            "remarks": [asdict(remark) for remark in self.remarks],
            "next": list(commands),
        }


def _plain(value: object) -> object:
    return None if value is ABSENT else value
