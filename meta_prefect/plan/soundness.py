"""Validates stored records of deployments before they are used or written.

What is read from an artifact may come from another release, or from anyone. Keys unknown to this release are dropped, missing
keys stay missing, and a known key of the wrong type makes the whole record invalid.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from meta_prefect.interfaces.json_diff import Record
from meta_prefect.interfaces.tags import Names

DEEPEST: Final = 200
"""Maximum nesting depth of objects and lists."""


def _an_instant(text: str) -> str:
    datetime.fromisoformat(text)
    return text


class _Form(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore", allow_inf_nan=False)


class _Schedule(_Form):
    active: StrictBool = True
    parameters: dict[str, Any] = {}
    timezone: StrictStr = "UTC"
    rrule: StrictStr | None = None
    cron: StrictStr | None = None
    day_or: StrictBool = True
    interval: float | None = Field(default=None, gt=0, strict=True)
    anchor_date: Annotated[StrictStr, AfterValidator(_an_instant)] | None = None


class _Deployment(_Form):
    version: StrictStr | None = None
    entrypoint: StrictStr | None = None
    path: StrictStr | None = None
    pull_steps: list[dict[str, Any]] = []
    description: StrictStr = ""
    tags: list[StrictStr] = []
    parameters: dict[str, Any] = {}
    parameter_openapi_schema: dict[str, Any] = {}
    enforce_parameter_schema: StrictBool = True
    job_variables: dict[str, Any] = {}
    work_pool_name: StrictStr | None = None
    work_queue_name: StrictStr | None = None
    paused: StrictBool = False
    concurrency_limit: Annotated[StrictInt, Field(ge=0)] | None = None
    collision_strategy: StrictStr | None = None
    grace_period_seconds: StrictInt | None = None
    schedules: dict[str, _Schedule] = {}


def sound_record(record: Record) -> Record:
    """Validate a stored record of a deployment.

    Returns:
        The keys known to this release, with schedules completed by required keys.

    Raises:
        ValueError: It is invalid.
    """
    if is_too_deep(record):
        raise ValueError(f"more than {DEEPEST} levels deep")
    try:
        found = _Deployment.model_validate(record)
    except ValidationError as error:
        # Only the text: the values may be secrets, or megabytes.
        raise ValueError(why_unsound(error)) from None
    schedules: Record = record.get("schedules") or {}
    known = {key: record[key] for key in record if key in _Deployment.model_fields}
    if "schedules" in known:
        known["schedules"] = {slug: _schedule(schedules[slug], one) for slug, one in found.schedules.items()}
    return known


def _schedule(record: Record, found: _Schedule) -> Record:
    if sum(rule is not None for rule in (found.rrule, found.cron, found.interval)) != 1:
        raise ValueError("a schedule has exactly one of rrule, cron and interval")
    always: Record = {"active": found.active, "parameters": found.parameters, "timezone": found.timezone}
    return {**{key: record[key] for key in record if key in _Schedule.model_fields}, **always}


def is_too_deep(value: Any) -> bool:
    """Return whether a JSON value is nested too deeply for Python's recursion."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    match value:
        case dict():
            return list(cast("dict[str, Any]", value).values())
        case list():
            return cast("list[Any]", value)
        case _:
            return []


def why_unsound(error: ValidationError) -> str:
    """Return pydantic's first error without the value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = "".join(one if one.isprintable() else "?" for one in ".".join(map(str, first["loc"])))[:200]
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


M = TypeVar("M", bound=BaseModel)


def sound_or_named(
    model: type[M], artifact: Record, what: str, unsound: dict[str, str], names: Names | None
) -> M | None:
    """Parse an artifact's data; report it as invalid unless it names another project.

    Args:
        model: The expected model.
        artifact: The artifact.
        what: What to call it in messages.
        unsound: Collects messages on how to remove invalid artifacts, by id.
        names: The names of the project whose artifacts are read; None for any project.
    """
    data: Any = artifact.get("data")
    if is_too_deep(data):
        why = f"more than {DEEPEST} levels deep"
    else:
        try:
            return model.model_validate(data)
        except ValidationError as error:
            why = why_unsound(error)
    if names is None or not isinstance(data, dict) or cast("Record", data).get("project", names[0]) in names:
        unsound[artifact["id"]] = (
            f"the {what} {artifact['id']} ({artifact.get('key')}) is left out, as it cannot be read ({why}); "
            f"to remove it: prefect artifact delete --id {artifact['id']}"
        )
    return None


def unsound_variable(what: str, variable: Record, why: str) -> str:
    """Build the message about an invalid variable and how to remove it."""
    name = variable["name"]
    removing = f"to remove it: prefect variable unset {name}"
    return f"the {what} in the variable {name} is left out, as it cannot be read ({why}); {removing}"
