"""Converts the records of live deployments into the terms of the project file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

from meta_prefect.errors import FlowNotFoundError
from meta_prefect.flows import FlowSource, FoundFlows, check_entrypoint, choose_flow
from meta_prefect.implementations.code.source import CODE_IN_IMAGE
from meta_prefect.implementations.notification.triggers import Condition, Trigger
from meta_prefect.init.entries import needed_entrypoint
from meta_prefect.init.found import FoundDeployment, Remark
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.deployment_record import LiveDeployment, normal_description

_OF_THE_SERVER: Final = "DTSTART:20200101T000000\n"
"""What the server prepends to a recurrence rule without a start."""

_HASH: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}")
"""Default versions chosen by Prefect: a hash of the flow's file, or the start of a commit hash."""


def flow_of(live: LiveDeployment, root: Path, flows: FoundFlows) -> FlowSource | None:
    """Find a deployment's flow in a project, which may be a subfolder of the repository its entrypoint is relative to.

    Returns:
        The flow; None if its code is not in the project.
    """
    path, colon, function = (live.record["entrypoint"] or "").rpartition(":")
    parts = path.split("/")
    spellings = ["/".join(parts[start:]) + colon + function for start in range(len(parts))]
    for spelling in (live.record["entrypoint"] or "", *spellings):
        try:
            found = check_entrypoint(root, spelling)
        except FlowNotFoundError:
            continue
        if found.name in (None, live.flow_name):
            return found
    try:
        found = choose_flow(flows, live.flow_name)
    except FlowNotFoundError:
        return None
    return found if found.name == live.flow_name else None


def found_deployment(
    live: LiveDeployment,
    flow: FlowSource,
    root: Path,
    flows: FoundFlows,
    description: str | None,
    automations: Iterable[Record] = (),
) -> FoundDeployment:
    """Describe a live deployment in terms of the project file.

    Args:
        live: The deployment.
        flow: Its flow in the project.
        root: The project's folder.
        flows: All flows of the project.
        description: The flow's own description, which is the deployment's default.
        automations: The automations that run it.
    """
    record = live.record
    triggers, remarks = _triggers(live, automations)
    limit = _limit(record)
    variables: dict[str, Any] = {
        "name": live.name,
        "work_pool": record["work_pool_name"],
        "work_queue": record["work_queue_name"] if record["work_queue_name"] != "default" else None,
        "description": record["description"] if record["description"] != normal_description(description) else None,
        **_version(record["version"]),
        "job_variables": record["job_variables"] or None,
        "entrypoint": record["entrypoint"] if record["entrypoint"] != flow.entrypoint else None,
        "pull": _pull(record, str(root)),
        "parameters": record["parameters"] or None,
        "tags": record["tags"] or None,
        "schedules": _with_names_apart([_schedule(key, one) for key, one in record["schedules"].items()]) or None,
        "concurrency_limit": limit,
        "enforce_parameter_schema": False if record["enforce_parameter_schema"] is False else None,
        "triggers": triggers or None,
    }
    return FoundDeployment(
        place=live.full_name,
        flow_name=live.flow_name,
        entrypoint=needed_entrypoint(flow.entrypoint, live.flow_name, flows),
        variables={key: value for key, value in variables.items() if value is not None},
        remarks=tuple(remarks),
    )


def _version(version: str | None) -> dict[str, Any]:
    """Return a version chosen by the user, or the strategy by which Prefect chose it. A number continues to be incremented."""
    if not version or version.isdecimal():
        return {}
    return {"version_strategy": "prefect"} if _HASH.fullmatch(version) else {"version": version}


def _pull(record: Record, root: str) -> list[Any] | None:
    """Return the pull steps, unless they are the default for a deploy from the project's folder."""
    steps: list[Any] = record["pull_steps"]
    folder = [{"prefect.deployments.steps.set_working_directory": {"directory": root}}]
    own = CODE_IN_IMAGE if record["job_variables"].get("image") is not None else folder
    return None if steps == own else steps


def _limit(record: Record) -> int | dict[str, Any] | None:
    limit = record["concurrency_limit"]
    options = {key: record[key] for key in ("collision_strategy", "grace_period_seconds") if record[key] is not None}
    if options.get("collision_strategy") == "ENQUEUE":
        del options["collision_strategy"]
    return {"limit": limit, **options} if limit and options else limit


def _schedule(key: str, schedule: Record) -> dict[str, Any]:
    """Return a schedule in the project file's terms. Whether it is active stays as set on the server."""
    if "rrule" in schedule:
        said: dict[str, Any] = {"rrule": schedule["rrule"].removeprefix(_OF_THE_SERVER)}
    elif "cron" in schedule:
        said = {"cron": schedule["cron"], **({} if schedule["day_or"] else {"day_or": False})}
    else:
        seconds = schedule["interval"]
        said = {"interval": int(seconds) if seconds == int(seconds) else seconds}
        if schedule["anchor_date"] is not None:
            said["anchor_date"] = datetime.fromisoformat(schedule["anchor_date"]).isoformat()
    if schedule["timezone"] != "UTC":
        said["timezone"] = schedule["timezone"]
    if not key.startswith("id:"):
        said["slug"] = key
    elif "rrule" in said:
        # Otherwise the schedule would be described in the description too, which must not change.
        said["slug"] = "rrule"
    if schedule["parameters"]:
        said["parameters"] = schedule["parameters"]
    return said


def _with_names_apart(schedules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make the slugs unique."""
    slugs = {one.get("slug") for one in schedules}
    known: set[str] = set()
    for one in schedules:
        if (slug := one.get("slug")) in known:
            one["slug"] = next(name for number in count(2) if (name := f"{slug}-{number}") not in slugs | known)
        known.add(one.get("slug", ""))
    return schedules


def _triggers(live: LiveDeployment, automations: Iterable[Record]) -> tuple[list[dict[str, Any]], list[Remark]]:
    """Return a deployment's triggers, and remarks about other automations that run it."""
    by_prefect = re.compile(rf"{re.escape(live.name)}__automation_(\d+)")
    triggers: list[tuple[int, dict[str, Any]]] = []
    remarks: list[Remark] = []
    for one in automations:
        found = by_prefect.fullmatch(one["name"])
        if found is not None and len(one["actions"]) == 1:
            triggers.append((int(found[1]), _trigger(one)))
        else:
            text = f"the automation {one['name']!r} runs it too, and stays as it is, beside the project"
            remarks.append(Remark(live.full_name, "triggers", text))
    # A trigger whose number is not its position would get another name, and so be recreated.
    return [
        trigger if number == place else {"name": f"{live.name}__automation_{number}", **trigger}
        for place, (number, trigger) in enumerate(sorted(triggers, key=lambda pair: pair[0]), start=1)
    ], remarks


def _trigger(automation: Record) -> dict[str, Any]:
    action, condition = automation["actions"][0], automation["trigger"]
    said: dict[str, Any] = {"description": automation.get("description"), **dict(_condition(condition, Trigger))}
    if condition["type"] in ("compound", "sequence"):
        said["triggers"] = [dict(_condition(one, Condition)) for one in condition["triggers"]]
    said |= {key: action.get(key) for key in ("parameters", "job_variables", "schedule_after")}
    return {key: value for key, value in said.items() if value}


def _condition(condition: Record, model: type[Condition]) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a condition that differ from the defaults."""
    for name, field in model.model_fields.items():
        value = condition.get(name)
        default = field.get_default()
        if name in ("triggers", "parameters", "job_variables", "schedule_after", "enabled", "name", "description"):
            continue
        if value == "Metric":
            continue  # the posture of a metric, implied by its kind
        if value not in (None, default) and not (isinstance(value, list | dict | float) and not value):
            yield name, value


def automations_by_deployment(automations: Iterable[Record]) -> Mapping[str, list[Record]]:
    """Group the automations that run deployments by the deployment's id."""
    found: dict[str, list[Record]] = {}
    for one in automations:
        for action in one["actions"]:
            if action.get("type") == "run-deployment" and action.get("deployment_id"):
                found.setdefault(action["deployment_id"], []).append(one)
    return found
