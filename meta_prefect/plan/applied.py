"""What was applied last, as it outlives the ledger.

Pages of the ledger are artifacts of runs, and an API may delete both: Prefect Cloud does so after 7 days on its smaller plans. So
the last entry of each deployment is kept in Prefect Variables too, many in one, packed, as a variable takes less than 5,000
characters.

Anyone who may write variables can change what they hold. So each deployment carries a mark, the digest of its entry, which only
those can change who may change the deployment itself. An entry counts for what is written where the live deployment carries its
mark. Otherwise it only shows what somebody has done since: that the deployment was replaced, or is gone.

The mark stands in the deployment's parameter schema, under a key that means nothing to JSON Schema: it is written along with the
deployment, Prefect does not hand it on to runs, and the forms of the UI leave it out.
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
"""Characters of packed entries in one variable, which takes 5,000 with what else it holds."""

_LARGEST: Final = 20_000_000
"""Bytes that are unpacked at most."""

_UNCONFIRMED: Final = Doubt("the deployment does not confirm it any more", run_is_gone=True)


class Kept(BaseModel):
    """What a variable holds.

    Attributes:
        project: The project.
        environment: The environment.
        packed: Pages of the ledger with those entries that are the last ones of their deployments.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    project: str
    environment: str
    packed: str


def name_prefix(project: str, environment: str | None = None) -> str:
    """What the names of a project's variables begin with. Other projects' names may begin like that too."""
    return f"meta-prefect-applied-{slug(project)}-" + (f"{slug(environment)}-" if environment is not None else "")


def kept_form(entry: LedgerEntry) -> LedgerEntry:
    """An entry as it is kept: without what was before, without secrets, and with less of it where it would not fit alone."""
    kept = entry.model_copy(update={"before": None, "after": sealed(entry.after)})
    while kept.after and len(_pack(kept.model_dump(mode="json"))) > LONGEST * 3 // 4:
        sizes = {key: len(json.dumps(value)) for key, value in kept.after.items()}
        largest = max(sizes, key=lambda key: sizes[key])
        after = {key: value for key, value in kept.after.items() if key != largest}
        ours = tuple(name for name in kept.ours if name.partition(".")[0] != largest)
        kept = kept.model_copy(update={"after": after, "ours": ours})
    return kept


def mark_of(kept: LedgerEntry) -> str | None:
    """The mark of an entry in the form in which it is kept; None of one that was deleted.

    Where the same is applied again, as by a rollback, it is the same.
    """
    if kept.after is None:
        return None
    content = json.dumps(kept.model_dump(mode="json", include={"deployment", "after", "ours", "own"}), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def packed(entries: Sequence[HistoryEntry]) -> Iterator[str]:
    """Pack entries into as many texts as they need."""
    text = _pack([page.model_dump(mode="json") for page in _pages(entries)])
    if len(text) <= LONGEST or len(entries) == 1:
        yield text
    else:
        half = len(entries) // 2
        yield from packed(entries[:half])
        yield from packed(entries[half:])


def unpacked(kept: Kept) -> list[HistoryEntry]:
    """The entries of a variable, each in doubt as long as its deployment does not confirm it.

    Raises:
        ValueError: They cannot be read.
    """
    try:
        unpacking = zlib.decompressobj()
        found: Any = json.loads(unpacking.decompress(base64.b85decode(kept.packed), _LARGEST))
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
    """An entry without its doubt where the live deployment carries its mark."""
    return HistoryEntry(recorded.page, recorded.entry) if mark and mark == mark_of(recorded.entry) else recorded


def newest_by_name(entries: Iterable[HistoryEntry]) -> Mapping[str, HistoryEntry]:
    """The last entry of each deployment: an interrupted write may have left two."""
    found: dict[str, HistoryEntry] = {}
    for one in sorted(entries, key=lambda one: one.page.at):
        found[one.entry.deployment] = one
    return found


def _pages(entries: Iterable[HistoryEntry]) -> Iterator[LedgerPage]:
    """The pages on which entries stand, with nothing else on them."""
    pages: dict[str, tuple[LedgerPage, list[LedgerEntry]]] = {}
    for one in entries:
        head = one.page.model_copy(update={"entries": ()})
        pages.setdefault(head.model_dump_json(), (head, []))[1].append(kept_form(one.entry))
    return (head.model_copy(update={"entries": tuple(found)}) for head, found in pages.values())


def _pack(value: object) -> str:
    content = json.dumps(value, separators=(",", ":")).encode()
    return base64.b85encode(zlib.compress(content, 9)).decode()
