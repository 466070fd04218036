"""What was applied last, packed into variables."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from ledger_values import a_page, a_record

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.applied import LONGEST, Kept, confirmed, kept_form, mark_of, newest_by_name, packed, unpacked
from meta_prefect.plan.deployment_record import live_deployment
from meta_prefect.plan.ledger import HistoryEntry, LedgerEntry
from meta_prefect.plan.mark import MARK, with_mark, without_mark


def noise(number: int, size: int) -> str:
    """Characters that cannot be packed."""
    return "".join(hashlib.sha256(f"{number} {one}".encode()).hexdigest() for one in range(size // 64))


def alike(number: int) -> str:
    """The same text for all."""
    del number
    return "the same for all"


def unlike(number: int) -> str:
    """A text that has nothing in common with the others."""
    return noise(number, 1800)


def an_entry(number: int, description: str = "", **changes: Any) -> LedgerEntry:
    """What was written of one of several deployments."""
    record = a_record(description=description, **changes)
    return LedgerEntry(
        deployment=f"add/n{number}",
        action="updated",
        version="2",
        before=a_record(),
        after=record,
        ours=("description",),
    )


def recorded(*entries: LedgerEntry, **changes: Any) -> list[HistoryEntry]:
    """Entries on one page."""
    page = a_page(*entries, **changes)
    return [HistoryEntry(page, entry) for entry in entries]


def kept(text: str, **changes: str) -> Kept:
    """What a variable holds."""
    return Kept(**{"project": "shop", "environment": "dev", "packed": text, **changes})


@pytest.mark.parametrize(("describe", "number", "most"), [(alike, 1, 1), (alike, 300, 2), (unlike, 30, 16)])
def test_what_is_packed_comes_back(describe: Callable[[int], str], number: int, most: int) -> None:
    """In as few texts as it needs, none of which is too long; without what was before, which nobody asks for any more."""
    entries = [an_entry(one, describe(one)) for one in range(number)]
    texts = list(packed(recorded(*entries)))

    assert len(texts) <= most
    assert max(map(len, texts)) <= LONGEST
    found = [one for text in texts for one in unpacked(kept(text))]
    assert [one.entry for one in found] == [kept_form(entry) for entry in entries]
    assert all(one.entry.before is None for one in found)
    assert {one.page.by for one in found} == {"ada@host"}


def test_of_a_record_that_is_too_large_the_largest_is_left_out() -> None:
    """So that the rest is known, and what is not known is compared with nothing."""
    large = kept_form(an_entry(1, noise(1, 18_000)))
    assert large.after is not None
    assert "description" not in large.after
    assert large.after["version"] == a_record()["version"]
    assert large.ours == ()


def test_secrets_are_not_kept() -> None:
    """What stands under a secret's name is hidden, as in the ledger."""
    entry = an_entry(1, job_variables={"env": {"DB_PASSWORD": "hunter2-and-more"}})
    (text,) = packed(recorded(entry))
    assert "hunter2" not in zlib.decompress(base64.b85decode(text)).decode()
    assert mark_of(kept_form(entry)) == mark_of(unpacked(kept(text))[0].entry)


def test_only_the_deployment_confirms_its_entry() -> None:
    """By the mark that was written along with it; for any other mark, or none, the entry stays in doubt."""
    entry = an_entry(1)
    (found,) = unpacked(kept(next(packed(recorded(entry)))))
    mark = mark_of(kept_form(entry))
    other = found.entry.model_copy(update={"ours": (*found.entry.ours, "paused")})

    assert found.doubt is not None
    assert confirmed(found, mark).doubt is None
    for wrong in (None, "", "0" * 32, mark_of(other)):
        assert confirmed(found, wrong).doubt is not None


def test_the_mark_is_no_field_of_a_deployment() -> None:
    """It is told apart from the parameter schema that it is written with; whatever else stands there is none."""
    form: Record = {"type": "object", "title": "Parameters"}
    live = live_deployment({"id": "d", "name": "n", "parameter_openapi_schema": with_mark(form, "abc")}, "add")
    assert (live.record["parameter_openapi_schema"], live.mark) == (form, "abc")
    assert without_mark({**form, MARK: ["no", "text"]}) == (form, None)
    assert with_mark(form, None) is form


def test_the_last_entry_counts() -> None:
    """Where an interrupted write has left two of a deployment."""
    old = recorded(an_entry(1, "old"))
    new = recorded(an_entry(1, "new"), at="2026-11-21T00:00:00Z")
    for entries in (old + new, new + old):
        (found,) = newest_by_name(entries).values()
        assert (found.entry.after or {})["description"] == "new"


def _packed(value: Any) -> str:
    return base64.b85encode(zlib.compress(json.dumps(value).encode())).decode()


@pytest.mark.parametrize("text", [
    "", "nonsense", "\"", base64.b85encode(b"no zlib").decode(), _packed({"a": 1}), _packed(["a"]), _packed([[[]]]),
    _packed([{"project": "shop"}]), _packed(json.loads(a_page(project="other").model_dump_json())),
    _packed([json.loads(a_page(project="other").model_dump_json())]),
])  # fmt: skip
def test_what_cannot_be_read_is_an_error_in_words(text: str) -> None:
    """Whatever anybody has put into the variable."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        unpacked(kept(text))
