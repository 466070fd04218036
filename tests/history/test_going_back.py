"""To which state a rollback goes, as a choice among what is recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ledger_values import NAME, a_page, a_record, live, stored, written

from meta_prefect.errors import TargetError
from meta_prefect.plan.changes import Update
from meta_prefect.plan.ledger import HistoryEntry, LedgerEntry, history_of
from meta_prefect.plan.provenance import Doubt
from meta_prefect.plan.rollback import check_owned, diff_restored
from meta_prefect.plan.rollback_target import version_to_restore

FIRST, SECOND, THIRD = written("1", "created"), written("2", before="1"), written("3", before="2")
GONE = written("3", "deleted", before="3")
AGAIN = written("1", "rolled back", before="3", description="again")


def restored(history: list[HistoryEntry], version: str | None = None, **options: Any) -> HistoryEntry:
    """The entry that tells of the state to go back to."""
    return version_to_restore(history, version, **options).written


@pytest.mark.parametrize(
    ("history", "version", "chosen"),
    [
        pytest.param([THIRD, SECOND, FIRST], "1", FIRST, id="a version"),
        pytest.param([THIRD, SECOND, FIRST], None, SECOND, id="the one before"),
        pytest.param([AGAIN, THIRD, SECOND, FIRST], None, THIRD, id="a rollback is undone"),
        pytest.param([AGAIN, THIRD, SECOND, FIRST], "1", AGAIN, id="the newest of equal versions"),
        pytest.param([GONE, THIRD, SECOND], None, THIRD, id="the last before it was deleted"),
        pytest.param([GONE, THIRD, SECOND], "3", THIRD, id="not the deletion"),
        pytest.param([THIRD], "3", THIRD, id="the current one"),
    ],
)
def test_the_version_to_restore(history: list[HistoryEntry], version: str | None, chosen: HistoryEntry) -> None:
    """A named version, else the last one before the current."""
    assert restored(history, version) is chosen


@pytest.mark.parametrize(
    ("history", "version", "says"),
    [
        pytest.param([THIRD, SECOND, FIRST], "9", r"no version '9' of add/nightly-dev .*\n  Known: 3, 2, 1\.", id="no"),
        pytest.param([FIRST], None, "nothing before version 1 of add/nightly-dev", id="only one"),
        pytest.param([written(None)], "1", "Known: none", id="without versions"),
    ],
)
def test_a_version_that_is_not_there(history: list[HistoryEntry], version: str | None, says: str) -> None:
    """The error names the versions that can be restored."""
    with pytest.raises(TargetError, match=says):
        version_to_restore(history, version)


def killed(one: HistoryEntry) -> HistoryEntry:
    """The same as a deploy left it that was killed."""
    return replace(one, page=one.page.model_copy(update={"finished": False}))


def doubtful(one: HistoryEntry, reason: str, *, run_is_gone: bool = False) -> HistoryEntry:
    """The same on a page that does not count."""
    return replace(one, doubt=Doubt(reason, run_is_gone=run_is_gone))


SIXTEEN = written("16", before="15")
FIFTEEN, FOURTEEN = written("15", before="14"), written("14", before="13")


@pytest.mark.parametrize("version", ["15", None])
@pytest.mark.parametrize(
    "history",
    [
        pytest.param([SIXTEEN, killed(FIFTEEN), FOURTEEN], id="a killed deploy wrote it"),
        pytest.param([SIXTEEN, FOURTEEN], id="no page tells of it"),
        pytest.param([SIXTEEN], id="nothing else is recorded"),
        pytest.param(
            [SIXTEEN, killed(written("14", before="13")), FOURTEEN], id="a killed deploy wrote something else"
        ),
    ],
)
def test_what_a_later_page_found_was_live(history: list[HistoryEntry], version: str | None) -> None:
    """A version that nobody noted as written, but that the next write found, is one to go back to."""
    chosen = restored(history, version)

    assert (chosen.entry.version, chosen.entry.after) == ("15", a_record(version="15"))


def test_a_killed_deploy_that_wrote_nothing_was_never_live() -> None:
    """What was only about to be written is passed over, for the state that was found in its place."""
    chosen = restored([written("16", before="14"), killed(FIFTEEN), FOURTEEN])

    assert chosen is FOURTEEN
    with pytest.raises(TargetError, match="Known: 16, 14, 13"):
        version_to_restore([written("16", before="14"), killed(FIFTEEN), FOURTEEN], "15")


def test_after_a_killed_deploy_what_it_found_comes_back() -> None:
    """Where the last deploy was killed, going back means going to what was there before it."""
    assert restored([killed(SIXTEEN), FIFTEEN, FOURTEEN]) is FIFTEEN


def adopted(**found: Any) -> HistoryEntry:
    """The first entry of a deployment that was taken over."""
    before = a_record(version="0", tags=["team"], **found)
    entry = LedgerEntry(deployment=NAME, action="updated", version="1", before=before, after=a_record(version="1"))
    return HistoryEntry(a_page(entry), entry)


def test_what_was_live_before_it_was_taken_over_is_a_state_to_go_back_to() -> None:
    """The history has it as the entry before the first; going back gives the deployment back, without the project's tag."""
    history = list(history_of(NAME, stored(adopted(description="theirs").page)))

    assert [one.entry.action for one in history] == ["updated", "found"]
    chosen = restored(history)
    assert (chosen.entry.version, str(chosen)) == ("0", "what it was before this project had it")
    change = diff_restored(chosen, live(version="1"), since=[history[0].entry])
    assert isinstance(change, Update)
    assert (change.after["tags"], change.after["description"]) == (["team"], "theirs")
    assert list(check_owned(chosen)) == []


def test_what_somebody_wrote_over_it_is_no_state_before_the_first() -> None:
    """Where a foreign write took the mark away and a deploy put it back, the deployment has been the project's all along."""
    entry = adopted().entry
    history = list(history_of(NAME, stored(a_page(entry), written("0").page)))

    assert [one.entry.action for one in history] == ["updated", "updated"]
    assert "meta-prefect=shop" in (restored(history).entry.after or {})["tags"]


def test_a_state_of_a_former_name_is_one_to_go_back_to() -> None:
    """What the first deploy under another name found was the project's own, where it is known to have had that name."""
    found = a_record(version="1", tags=["meta-prefect=till", "env=dev"])
    entry = LedgerEntry(deployment=NAME, action="updated", version="2", before=found, after=a_record(version="2"))
    history = [HistoryEntry(a_page(entry), entry)]

    assert restored(history, former=("till",)).entry.after == found
    with pytest.raises(TargetError, match="nothing before version 2"):
        version_to_restore(history, former=("bank",))


def test_what_does_not_count_is_passed_over_and_named() -> None:
    """A page that somebody else wrote is no state to go back to; the error says why."""
    planted = doubtful(written("2", before="1"), "not written by the run that it names")

    assert restored([planted, THIRD, SECOND, FIRST]) is SECOND
    with pytest.raises(TargetError, match="version 7 is not written by the run that it names"):
        version_to_restore([doubtful(written("7"), "not written by the run that it names"), THIRD], "7")


def test_what_only_lost_its_run_needs_a_word() -> None:
    """A page whose run is gone counts where somebody says so, and the error says how."""
    history = [THIRD, doubtful(FIRST, "its run is gone, so nothing confirms it", run_is_gone=True)]

    with pytest.raises(TargetError, match="its run is gone") as failure:
        version_to_restore(history, "1")

    assert "--unconfirmed" in (failure.value.hint or "")
    assert restored(history, "1", unconfirmed=True).entry is FIRST.entry
