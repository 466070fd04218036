"""Decides whether a record read back from the server can be trusted.

Ledger pages and saved plans are artifacts, and anyone who may write artifacts can create or change one. A record counts only
if the server's own data agrees with it:

* the flow run that the artifact belongs to is the one the record names, and exists;
* that run is one of the deployer's: of one of its own flows, or of a recipe, which shows in the run's parameters;
* the artifact was created during the run and not changed after its end (except that a cancelled or crashed run is cleaned up
  afterwards by its worker).

This does not protect against someone who may create flow runs and so can create one that looks like the deployer's; they
could change deployments directly anyway. And anyone who may write artifacts can do so while a deploy is running. So what a
rollback takes from a page is checked like a deploy, and a plan can never set a counted version to anything but the next one.

A run may be deleted while its artifacts stay, for example by retention. Such a record is distinguished from one that
contradicts the server: it is shown, and used only on request or where it can do no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from meta_prefect.interfaces.json_diff import Record

OWN_FLOWS: Final = frozenset(
    {"deploy-project", "check-drift", "prune", "rollback", "bootstrap", "hold", "disown", "destroy", "reap-previews"}
)
"""The deployer's flows that are not recipes."""

SLACK: Final = timedelta(seconds=10)
"""Tolerated clock difference between servers that share a database."""

_CLEANED_UP_AFTER: Final = ("CANCELLED", "CANCELLING", "CRASHED")


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a record does not count.

    Attributes:
        reason: A description.
        run_is_gone: Whether nothing contradicts the record, and only its run no longer exists.
    """

    reason: str
    run_is_gone: bool = False

    def __str__(self) -> str:
        return self.reason


def doubt_about(
    named: str | None, deploy_id: str, artifact: Record, run: Record | None, flow: str | None
) -> Doubt | None:
    """Determine whether a record counts.

    Args:
        named: The flow run it names.
        deploy_id: The deploy it names.
        artifact: Its artifact, as read from the server.
        run: The artifact's flow run; None if it no longer exists.
        flow: The name of that run's flow.

    Returns:
        Why it does not count; None if it does.
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
    return state.get("type") in _CLEANED_UP_AFTER


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
