"""Whether a record that is read back from the server counts.

Pages of the ledger and recorded plans are artifacts, and an artifact can be made or changed by anybody who may write artifacts.
A record counts only where what the server itself keeps agrees with it:

* the flow run that the artifact belongs to is the one that the record names, and exists;
* that run is one of the deployer's: of one of its own flows, or of a recipe, which shows in the parameters of the run;
* the artifact was made while the run lasted, and was not changed after it had ended (a cancelled or crashed run is tidied up
  after by its worker, so there the last does not hold).

What this does not protect from: somebody who may create flow runs can create one that looks like the deployer's, and may change
deployments directly anyway; and anyone who may write artifacts can do so while a deploy is running. So what a rollback takes from
a page is checked as a deploy would check it, and a plan never sets a counted version to anything but the next one.

A run may be gone while its artifacts stay, as after a retention. Such a record is told from one that contradicts the server: it
is shown, and used only where somebody asks for it or where it can do no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from meta_prefect.interfaces.json_diff import Record

OWN_FLOWS: Final = frozenset(
    {"deploy-project", "check-drift", "prune", "rollback", "bootstrap", "hold", "disown", "destroy", "reap-previews"}
)
"""The deployer's flows that are no recipes."""

SLACK: Final = timedelta(seconds=10)
"""Servers that share a database may disagree about the time by so much."""

_TIDIED_UP_AFTER: Final = ("CANCELLED", "CANCELLING", "CRASHED")


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a record does not count.

    Attributes:
        reason: In words.
        run_is_gone: Whether nothing contradicts the record, and only its run is missing.
    """

    reason: str
    run_is_gone: bool = False

    def __str__(self) -> str:
        return self.reason


def doubt_about(
    named: str | None, deploy_id: str, artifact: Record, run: Record | None, flow: str | None
) -> Doubt | None:
    """Find out whether a record counts.

    Args:
        named: The flow run that it names.
        deploy_id: The deploy that it names.
        artifact: The artifact that it is, as the server has it.
        run: That artifact's flow run; None where there is none any more.
        flow: The name of the flow of that run.

    Returns:
        Why it does not count; None where it does.
    """
    if named is None or artifact.get("flow_run_id") != named:
        return Doubt("not written by the run that it names")
    if run is None:
        return Doubt("its run is gone, so nothing confirms it", run_is_gone=True)
    if flow not in OWN_FLOWS and not _is_of_a_recipe(run, deploy_id):
        return Doubt(f"not written by a run of the deployer: its run is one of the flow {flow!r}")
    began, ended = _moment(run.get("created")), _moment(run.get("end_time"))
    made, changed = _moment(artifact.get("created")), _moment(artifact.get("updated"))
    if made is None or began is None or made < began - SLACK or (ended is not None and made > ended + SLACK):
        return Doubt("not made while the run that it names lasted")
    if changed is not None and ended is not None and changed > ended + SLACK and not _is_tidied_up_after(run):
        return Doubt("changed after the run that it names had ended")
    return None


def _is_of_a_recipe(run: Record, deploy_id: str) -> bool:
    parameters: Record = run.get("parameters") or {}
    entries, context = parameters.get("deployments"), parameters.get("context")
    if not isinstance(entries, list) or not all(map(_is_entry, cast("list[Any]", entries))):
        return False
    return context is None or (isinstance(context, dict) and cast("Record", context).get("deploy_id") == deploy_id)


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(cast("Record", value).get("flow"), str)


def _is_tidied_up_after(run: Record) -> bool:
    state: Record = run.get("state") or {}
    return state.get("type") in _TIDIED_UP_AFTER


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
