"""Converts one entry under `deployments` of a prefect.yaml into a deployment of `work_pool_deployer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.flows import check_entrypoint
from meta_prefect.flows.catalog import FlowCatalog
from meta_prefect.init.found import FoundDeployment
from meta_prefect.init.prefect_yaml_image import built_image
from meta_prefect.init.prefect_yaml_pull import pull_of, uploaded_code
from meta_prefect.init.prefect_yaml_schedules import schedules_of
from meta_prefect.init.prefect_yaml_source import NO_EFFECT, Source
from meta_prefect.init.prefect_yaml_steps import Steps, say_what_is_left, steps_of
from meta_prefect.init.prefect_yaml_templates import GONE, Place, filled
from meta_prefect.init.prefect_yaml_triggers import triggers_of
from meta_prefect.project.document import KeyPath

_METADATA: Final = ("name", "version", "version_type", "tags", "description", "flow_name", "entrypoint", "sla")
_WHEN: Final = ("schedule", "schedules", "triggers", "paused", "concurrency_limit")
_HOW: Final = ("parameters", "enforce_parameter_schema", "build", "push", "pull", "work_pool")
_KNOWN: Final = frozenset({*_METADATA, *_WHEN, *_HOW})
_OF_THE_POOL: Final = ("name", "work_queue_name", "job_variables")
_OF_THE_JOB: Final = ("env", "image", "working_dir", "command", "cpu", "memory", "labels")


def deployment_of(
    entry: Mapping[str, Any], path: KeyPath, source: Source, flows: FlowCatalog
) -> FoundDeployment | None:
    """Read an entry; return None, with a remark, if no version of Prefect ever deployed it."""
    _say_what_is_ignored(entry, path, source)
    if entry.get("name") is None:
        source.say(path, "has no name, so `prefect deploy --all` skips it, and it is left out: give it one")
        return None
    if (entrypoint := _entrypoint(entry, path, source)) is None:
        return None
    flow_name = _flow_name(entrypoint, path, source, flows)
    if entry.get("flow_name") not in (None, "", flow_name):
        source.say((*path, "flow_name"), f"{NO_EFFECT}: Prefect takes the flow's own name, {flow_name!r}")
    steps = steps_of(entry, path, source)
    name = str(filled(str(entry["name"]), (*path, "name"), source, needed=True))
    variables: dict[str, Any] = {
        "name": name.rpartition("/")[2].removesuffix(".py") if name.endswith(".py") else name,
        **_pool(entry, path, source, steps),
        **_metadata(entry, path, source, steps),
        **_run_settings(entry, path, source),
    }
    say_what_is_left(steps, source)
    place = f"{source.document.name}:{source.document.position(path)[0]}"
    return FoundDeployment(place, flow_name, entrypoint, variables, source.take_remarks())


def _say_what_is_ignored(entry: Mapping[str, Any], path: KeyPath, source: Source) -> None:
    for key in sorted(entry.keys() - _KNOWN):
        if key in (*_OF_THE_POOL, "work_pool_name"):
            text = "as Prefect looks for it below `work_pool`; it is left out"
        elif key in _OF_THE_JOB:
            text = "as Prefect looks for it below `work_pool.job_variables`; it is left out"
        else:
            close = nearest(key, _KNOWN)
            text = f"as Prefect does not know it; it is left out{f'. {close}' if close.startswith('Did') else ''}"
        source.say((*path, key), f"{NO_EFFECT}, {text}")
    pool = source.mapping(entry.get("work_pool"), (*path, "work_pool"))
    for key in sorted(pool.keys() - {*_OF_THE_POOL}):
        meant = "beside `work_pool`" if key in _KNOWN else "below `job_variables`"
        source.say((*path, "work_pool", key), f"{NO_EFFECT}, as Prefect looks for it {meant}; it is left out")


def _entrypoint(entry: Mapping[str, Any], path: KeyPath, source: Source) -> str | None:
    if not (written := entry.get("entrypoint")):
        source.say(
            path, "has no entrypoint, so `prefect deploy` refuses it, and it is left out: add `file.py:function`"
        )
        return None
    entrypoint = str(filled(str(written), (*path, "entrypoint"), source, needed=True))
    file, colon, function = entrypoint.rpartition(":")
    if colon and not file.endswith(".py") and "{" not in file:
        source.say(
            (*path, "entrypoint"),
            f"{NO_EFFECT}: with a colon Prefect looks for a file {file!r}, and refuses the entry, so that it is left out; "
            f"write `{file}.{function}` for a module",
        )
        return None
    return entrypoint.removeprefix("./")


def _flow_name(entrypoint: str, path: KeyPath, source: Source, flows: FlowCatalog) -> str:
    """Return the name of the flow itself, which is imported if its name is not evident from the source."""
    try:
        return check_entrypoint(source.root, entrypoint).name or flows.of(entrypoint).facts.name
    except ConfigurationError as error:
        hint = f" {error.hint}" if error.hint else ""
        source.say((*path, "entrypoint"), f"the flow cannot be read here: {error.message}.{hint}")
        return entrypoint.rpartition(":" if ":" in entrypoint else ".")[2].replace("_", "-")


def _pool(entry: Mapping[str, Any], path: KeyPath, source: Source, steps: Steps) -> dict[str, Any]:
    """Return where it runs, with which job variables, and how its code gets there."""
    here = (*path, "work_pool")
    pool = source.mapping(entry.get("work_pool"), here)
    found: dict[str, Any] = {}
    if written := pool.get("name"):
        found["work_pool"] = filled(written, (*here, "name"), source, needed=True)
    else:
        source.say(here, "names no work pool, so that `prefect deploy` asks for one: give the variable `work_pool`")
    if (queue := filled(pool.get("work_queue_name"), (*here, "work_queue_name"), source)) not in (None, "", GONE):
        found["work_queue"] = queue
    variables = dict(source.mapping(pool.get("job_variables"), (*here, "job_variables")))
    image = variables.get("image")
    if built := built_image(image, steps, (*here, "job_variables", "image"), source):
        del variables["image"]
    if given := filled(variables, (*here, "job_variables"), source, Place.JOB_VARIABLES):
        found["job_variables"] = given
    uploaded = uploaded_code(steps, source)
    found |= built | uploaded
    if (pull := pull_of(steps, image, source, uploaded=bool(uploaded))) is not None:
        found["pull"] = pull
    return found


def _metadata(entry: Mapping[str, Any], path: KeyPath, source: Source, steps: Steps) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (description := filled(entry.get("description"), (*path, "description"), source)) not in (None, "", GONE):
        found["description"] = description
    found |= _tags(entry, path, source) | _version(entry, path, source, steps)
    for key in ("version_type", "sla"):
        if entry.get(key):
            source.say((*path, key), "is for Prefect Cloud, and there is nothing like it here; it is left out")
    return found


def _tags(entry: Mapping[str, Any], path: KeyPath, source: Source) -> dict[str, Any]:
    written = entry.get("tags")
    if written is None and "tags" in entry:
        source.say((*path, "tags"), "`prefect deploy` refuses an entry whose tags are nothing; no tags are meant")
    if isinstance(written, str):
        source.say((*path, "tags"), "Prefect makes a tag of each letter, as this is no list; here it is one tag")
    listed = [written] if isinstance(written, str) else [*source.items(written, (*path, "tags"))]
    tags = filled(listed, (*path, "tags"), source)
    return {"tags": [str(tag) for tag in tags if tag != ""]} if tags else {}


def _version(entry: Mapping[str, Any], path: KeyPath, source: Source, steps: Steps) -> dict[str, Any]:
    here, written = (*path, "version"), entry.get("version")
    if written in (None, ""):
        return {"version_strategy": "prefect"}
    if steps.give_commit(written):
        source.say(here, "`version_strategy: git`, the whole commit, stands for what the step reads from Git")
        return {"version_strategy": "git"}
    version = filled(str(written), here, source)
    return {"version_strategy": "prefect"} if version in (GONE, "") else {"version": version}


def _run_settings(entry: Mapping[str, Any], path: KeyPath, source: Source) -> dict[str, Any]:
    """Return how and when it runs."""
    found: dict[str, Any] = {}
    if given := filled(source.mapping(entry.get("parameters"), (*path, "parameters")), (*path, "parameters"), source):
        found["parameters"] = given
    if entry.get("enforce_parameter_schema") is not None:
        found["enforce_parameter_schema"] = entry["enforce_parameter_schema"]
    if entry.get("paused"):  # not paused is the initial state, which an operator may change
        found["paused"] = entry["paused"]
    found |= _concurrency(entry.get("concurrency_limit"), (*path, "concurrency_limit"), source)
    if schedules := schedules_of(entry, path, source):
        # Prefect has no days off, and leaves it to the operator whether an unspecified schedule is active.
        found |= {"schedules": schedules, "holidays": False, "active_in": None}
    if triggers := [*triggers_of(entry.get("triggers"), (*path, "triggers"), source)]:
        found["triggers"] = triggers
    return found


def _concurrency(written: Any, path: KeyPath, source: Source) -> dict[str, Any]:
    if written is None:
        return {}
    if not isinstance(written, Mapping):
        return {"concurrency_limit": int(written)} if str(written).isdigit() else {}
    fields = {key: one for key, one in source.mapping(written, path).items() if one is not None}
    if "limit" not in fields:
        source.say(path, f"has no `limit`, so it {NO_EFFECT}; it is left out")
        return {}
    if "collision_strategy" not in fields:
        source.say(
            path, "`prefect deploy` refuses a limit without `collision_strategy`; ENQUEUE is meant, as by default"
        )
    for key in fields.keys() - {"limit", "collision_strategy", "grace_period_seconds"}:
        del fields[key]
        source.say((*path, key), f"{NO_EFFECT}, as Prefect does not know it; it is left out")
    return {"concurrency_limit": fields["limit"] if fields.keys() == {"limit"} else fields}
