"""What was last applied to each deployment, stored so that it outlives the ledger.

Ledger pages are artifacts of runs, and an API may delete both: Prefect Cloud does so after 7 days on its smaller plans. So
the last entry of each deployment is also stored in Prefect Variables, packed many to one, since a variable holds less than
5,000 characters.

Anyone who may write variables can change their contents. So each deployment carries a mark, the digest of its entry, which
only those who may change the deployment can change. An entry is trusted for writes only if the live deployment carries its
mark. Otherwise it only shows what happened since: the deployment was replaced, or no longer exists.

The mark is in the deployment's parameter schema, under a key without meaning in JSON Schema: it is written along with the
deployment, Prefect does not pass it on to runs, and the UI's forms ignore it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from meta_prefect.plan.ledger import HistoryEntry, LedgerEntry, LedgerPage
from meta_prefect.plan.provenance import Doubt
from meta_prefect.plan.soundness import is_too_deep, why_unsound
from meta_prefect.project.naming import slug
from meta_prefect.redaction import sealed

LONGEST: Final = 4700
"""Maximum length of the packed entries in one variable, which holds 5,000 characters including the rest."""

_MAX_UNPACKED_BYTES: Final = 20_000_000
"""Maximum size in bytes of the unpacked entries."""

_UNCONFIRMED: Final = Doubt("the deployment does not confirm it any more", run_is_gone=True)


class Kept(BaseModel):
    """The value of such a variable.

    Attributes:
        project: The project.
        environment: The environment.
        packed: Ledger pages, reduced to the entries that are the last ones of their deployments.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    project: str
    environment: str
    packed: str


def name_prefix(project: str, environment: str | None = None) -> str:
    """Return the prefix of the names of a project's variables. Other projects' names may have the same prefix."""
    return f"meta-prefect-applied-{slug(project)}-" + (f"{slug(environment)}-" if environment is not None else "")


def kept_form(entry: LedgerEntry) -> LedgerEntry:
    """Reduce an entry for storage: without the previous state and secrets, and further if it would not fit by itself."""
    kept = entry.model_copy(update={"before": None, "after": sealed(entry.after)})
    while kept.after and len(_pack(kept.model_dump(mode="json"))) > LONGEST * 3 // 4:
        sizes = {key: len(json.dumps(value)) for key, value in kept.after.items()}
        largest = max(sizes, key=lambda key: sizes[key])
        after = {key: value for key, value in kept.after.items() if key != largest}
        ours = tuple(name for name in kept.ours if name.partition(".")[0] != largest)
        kept = kept.model_copy(update={"after": after, "ours": ours})
    return kept


def mark_of(kept: LedgerEntry) -> str | None:
    """Return the mark of a reduced entry; None if the deployment was deleted.

    Applying the same state again, as a rollback does, results in the same mark.
    """
    if kept.after is None:
        return None
    content = json.dumps(kept.model_dump(mode="json", include={"deployment", "after", "ours", "own"}), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def packed(entries: Sequence[HistoryEntry]) -> Iterator[str]:
    """Pack entries into as few texts as needed."""
    text = _pack([page.model_dump(mode="json") for page in _pages(entries)])
    if len(text) <= LONGEST or len(entries) == 1:
        yield text
    else:
        half = len(entries) // 2
        yield from packed(entries[:half])
        yield from packed(entries[half:])


def unpacked(kept: Kept) -> list[HistoryEntry]:
    """Unpack the entries of a variable, each in doubt until its deployment confirms it.

    Raises:
        ValueError: The contents are invalid.
    """
    try:
        unpacking = zlib.decompressobj()
        found: Any = json.loads(unpacking.decompress(base64.b85decode(kept.packed), _MAX_UNPACKED_BYTES))
    except (ValueError, zlib.error, RecursionError) as error:
        raise ValueError(f"it cannot be unpacked: {type(error).__name__}") from None
    if not isinstance(found, list) or is_too_deep(found):
        raise ValueError("it holds no list of pages")
    try:
        pages = [LedgerPage.model_validate(page) for page in found]  # pyright: ignore[reportUnknownVariableType] - anything
    except ValidationError as error:
        raise ValueError(why_unsound(error)) from None
    if any((page.project, page.environment) != (kept.project, kept.environment) for page in pages):
        raise ValueError("it holds pages of another project or environment")
    return [HistoryEntry(page, entry, _UNCONFIRMED) for page in pages for entry in page.entries]


def confirmed(recorded: HistoryEntry, mark: str | None) -> HistoryEntry:
    """Return an entry without its doubt if the live deployment carries its mark."""
    return HistoryEntry(recorded.page, recorded.entry) if mark and mark == mark_of(recorded.entry) else recorded


def newest_by_name(entries: Iterable[HistoryEntry]) -> Mapping[str, HistoryEntry]:
    """Return the last entry of each deployment: an interrupted write may have left two."""
    found: dict[str, HistoryEntry] = {}
    for one in sorted(entries, key=lambda one: one.page.at):
        found[one.entry.deployment] = one
    return found


def _pages(entries: Iterable[HistoryEntry]) -> Iterator[LedgerPage]:
    """Yield the pages of the entries, reduced to these entries."""
    pages: dict[str, tuple[LedgerPage, list[LedgerEntry]]] = {}
    for one in entries:
        head = one.page.model_copy(update={"entries": ()})
        pages.setdefault(head.model_dump_json(), (head, []))[1].append(kept_form(one.entry))
    return (head.model_copy(update={"entries": tuple(found)}) for head, found in pages.values())


def _pack(value: object) -> str:
    content = json.dumps(value, separators=(",", ":")).encode()
    return base64.b85encode(zlib.compress(content, 9)).decode()
