"""Remember what was learned of a project's flows, so that an unchanged project is deployed without importing them.

What a flow is called, its parameters and their defaults are known only once its module has been imported, and real flow modules
import libraries for seconds. A stale fact is worse than a slow deploy. Facts are therefore used only while *nothing* has changed
that the imports could depend on: all files of the project, the environment, the interpreter and where it imports from, the day
(:mod:`~meta_prefect.discovery.surroundings`), and each file that was read while they were imported, wherever it lies
(:mod:`~meta_prefect.discovery.witnesses`). Modules that ask a server or another process, the clock or chance are not remembered
(:mod:`~meta_prefect.discovery.steadiness`). In doubt, flows are imported.

Either all flows of a deploy are answered for from memory, or all are imported as if there were none: what one module leaves
behind in the process for another one, such as a variable of the environment, is then the same as ever.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from meta_prefect.discovery.steadiness import changing_call
from meta_prefect.discovery.surroundings import day, project_files, surroundings
from meta_prefect.discovery.syntax import read_source
from meta_prefect.discovery.witnesses import Seen, Watch, changed_since_this_process_began, look_at
from meta_prefect.errors import ProcessError
from meta_prefect.interfaces.deployment import FlowFacts
from meta_prefect.settings import read_settings

FORMAT = 1
_MOST_WITNESSES = 20_000
_HEAD = 8192
_ROOT = re.compile(rb'"root":("(?:[^"\\]|\\.)*")')
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)")

logger = logging.getLogger(__name__)


class Remembered(BaseModel):
    """What is kept of one project.

    Attributes:
        format: The version of this form.
        root: The project's folder.
        key: What the digest of the environment is made with.
        surroundings: What the imports could depend on outside of the project, as digests.
        files: The digest of the project's files.
        witnesses: What else was read, and how it looked.
        flows: What was learned, by entrypoint. Files of the project are relative to its folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    root: str
    key: str
    surroundings: dict[str, str]
    files: str
    witnesses: dict[str, Seen]
    flows: dict[str, FlowFacts]


class FlowMemory:
    """The memory of one project's flows during one deploy. It begins before any module of the project is imported.

    Args:
        root: The project's folder, resolved.
        folder: Where memories are kept.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._file = folder / f"{sha256(str(root).encode()).hexdigest()[:24]}.json"
        self._watch = Watch()
        self._files = project_files(root)
        old = _read(self._file)
        self._key = old.key if old is not None else secrets.token_hex(16)
        self._surroundings = surroundings(root, self._key.encode())
        self._old = old if old is not None and self._holds(old) else None

    def recall(self, entrypoints: Iterable[str]) -> dict[str, FlowFacts] | None:
        """What is remembered of some flows: of all of them, or nothing."""
        known = {} if self._old is None else self._old.flows
        try:
            return {one: self._found(known[one]) for one in entrypoints}
        except KeyError:
            return None

    def watching(self) -> AbstractContextManager[None]:
        """Watch an import."""
        return self._watch.looking()

    def keep(self, learned: Mapping[str, FlowFacts]) -> None:
        """Remember what was learned by importing, if it holds beyond this moment. That it cannot be written is no error."""
        kept = {one: self._kept(facts) for one, facts in learned.items()}
        if self._old is not None and kept.items() <= self._old.flows.items():
            return
        try:
            _write(self._file, self._made(kept))
        except _NotRememberedError as reason:
            self._forget(str(reason))
        except (OSError, ProcessError) as error:
            logger.debug("the flows of %s are not remembered: %s", self._root, error)

    def _made(self, learned: Mapping[str, FlowFacts]) -> Remembered:
        if self._files is None:
            raise _NotRememberedError("the project has too many files")
        if self._watch.outward is not None:
            raise _NotRememberedError(
                f"a module asks something else than files when it is imported ({self._watch.outward})"
            )
        before = {} if self._old is None else self._old.flows
        if any(before.get(one, facts) != facts for one, facts in learned.items()):
            raise _NotRememberedError("an import has given something else than the one before")
        found = self._watch.witnesses(self._is_looked_at)
        if len(found) > _MOST_WITNESSES:
            raise _NotRememberedError("its modules read too many files")
        own = {facts.file for facts in learned.values() if facts.file is not None}
        if call := changing_call(_texts(self._watch.code() | {str(self._root / file) for file in own})):
            raise _NotRememberedError(f"what a module is depends on {call}")
        seen = {path: look_at(path) for path in sorted(found)}
        # Of what was loaded before the change the file says no longer what it is, in a process that deploys again and again.
        if changed := next(changed_since_this_process_began(found), None):
            raise _NotRememberedError(f"{changed} has been changed since this process began")
        now = project_files(self._root)
        if now is None or now.digest != self._files.digest or day() != self._surroundings["day"]:
            raise _NotRememberedError("it has been changed meanwhile")
        return Remembered(
            format=FORMAT,
            root=str(self._root),
            key=self._key,
            surroundings=self._surroundings,
            files=self._files.digest,
            witnesses=seen if self._old is None else self._old.witnesses | seen,
            flows={**before, **{one: facts for one, facts in learned.items() if _is_lasting(facts)}},
        )

    def _forget(self, reason: str) -> None:
        logger.debug("the flows of %s are not remembered: %s", self._root, reason)
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _holds(self, old: Remembered) -> bool:
        """Whether all is as it was when something was learned."""
        if (old.format, old.root) != (FORMAT, str(self._root)):
            return False
        parts = {**self._surroundings, "files": self._files.digest if self._files is not None else ""}
        changed = [
            part for part, digest in parts.items() if {**old.surroundings, "files": old.files}.get(part) != digest
        ]
        if not changed:
            changed = [path for path, seen in old.witnesses.items() if look_at(path) != seen][:1]
        if changed:
            logger.debug("the flows of %s are imported: changed: %s", self._root, ", ".join(changed))
        return not changed

    def _is_looked_at(self, path: str) -> bool:
        return self._files is not None and (path in self._files.names or path == str(self._root))

    def _kept(self, facts: FlowFacts) -> FlowFacts:
        """Facts as they are kept: where the project lies is left out."""
        file = facts.file
        if file is not None and Path(file).is_relative_to(self._root):
            file = Path(file).relative_to(self._root).as_posix()
        return facts.model_copy(update={"source": "", "file": file})

    def _found(self, facts: FlowFacts) -> FlowFacts:
        file = None if facts.file is None else str(self._root / facts.file)
        return facts.model_copy(update={"source": str(self._root), "file": file})


class _NotRememberedError(Exception):
    """Why something is not remembered."""


def memory_of(root: Path) -> FlowMemory | None:
    """Begin a project's memory; None where it has none.

    It has none where META_PREFECT__REMEMBER_FLOWS says so, and below the folder for temporary files: copies that are fetched for
    one deploy come from there, and would leave a file each.
    """
    from meta_prefect.local.process import state_path

    if not read_settings().remember_flows:
        return None
    try:  # no folder for temporary files that can be written is an OSError too
        if root.is_relative_to(Path(tempfile.gettempdir()).resolve()):
            return None
        return FlowMemory(root, state_path("flows"))
    except OSError as error:
        logger.debug("the flows of %s are not remembered: %s", root, error)
        return None


def _read(file: Path) -> Remembered | None:
    try:
        return Remembered.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(file: Path, remembered: Remembered) -> None:
    """Write a memory, and remove those of projects that are gone."""
    from meta_prefect.local.process import write_privately

    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_privately(file, remembered.model_dump_json())
    for other in file.parent.glob("*.json"):
        with other.open("rb") as opened:
            head = opened.read(_HEAD)
        if (found := _ROOT.search(head)) and not Path(json.loads(found[1])).is_dir():
            other.unlink(missing_ok=True)


def _texts(files: Iterable[str]) -> Iterator[bytes]:
    for file in files:
        source = read_source(Path(file))
        yield source if isinstance(source, bytes) else b""


def _is_lasting(facts: FlowFacts) -> bool:
    """Whether facts are the same once they have been written and read, and hold no moment of these days: a clock's, perhaps."""
    told = facts.model_dump()
    try:
        text = json.dumps(told, allow_nan=False)
    except (TypeError, ValueError):
        return False
    if FlowFacts.model_validate_json(text) != facts:
        return False
    today = datetime.now(UTC).date()
    days = {str(today + timedelta(days=shift)) for shift in (-1, 0, 1)}
    return not any(date in days and at != "00:00" for date, at in _MOMENT.findall(text))
