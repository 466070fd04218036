"""Pod patches: parsed, validated, and converted into job variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.implementations.infra import pod_fields
from meta_prefect.interfaces.json_diff import Record, is_mapping

MAIN_CONTAINER: Final = "prefect-job"
"""Prefect's name for the container that runs the flow."""

_MERGE_KEYS: Final = {
    "env": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ports": "containerPort",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""Lists whose items Kubernetes merges by a key, as ``kubectl patch`` does; other lists are replaced."""


def check_pod(patch: Mapping[str, Any]) -> None:
    """Check which fields a pod patch has. Their contents are checked by :func:`check_pod_deeply`.

    Raises:
        ValueError: A field is unknown, or cannot be set.
    """
    _check_names(patch, {"metadata": {}, "spec": {}}, {}, "pod")
    _check_names(_mapping(patch, "metadata", "pod"), {"labels": {}, "annotations": {}}, {}, "pod.metadata")
    spec = _mapping(patch, "spec", "pod")
    _check_names(
        spec,
        {**pod_fields.POD, **pod_fields.PREFECTS_OWN, "containers": ""},
        pod_fields.REFUSED_IN_POD,
        "pod.spec",
    )
    container = main_container(spec)
    where = "pod.spec.containers[0]"
    known = {**pod_fields.CONTAINER, **pod_fields.CONTAINER_PREFECTS_OWN, "name": "", "env": "", "resources": ""}
    _check_names(container, known, pod_fields.REFUSED_IN_CONTAINER, where)
    resources = _mapping(container, "resources", where)
    _check_names(resources, pod_fields.RESOURCES, {}, f"{where}.resources")
    for kind, names in pod_fields.RESOURCES.items():
        _check_names(_mapping(resources, kind, f"{where}.resources"), names, {}, f"{where}.resources.{kind}")
    for item in _items(container.get("env"), f"{where}.env"):
        if not is_mapping(item) or "name" not in item or len(item.keys() & {"value", "valueFrom"}) != 1:
            raise ValueError(f"{where}.env: {item!r} needs a `name`, and either `value` or `valueFrom`")


def main_container(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the patch of the flow's container.

    Raises:
        ValueError: The patch is for another container.
    """
    containers = _items(spec.get("containers"), "pod.spec.containers")
    if not containers:
        return {}
    first = containers[0]
    if len(containers) > 1 or not is_mapping(first) or first.get("name", MAIN_CONTAINER) != MAIN_CONTAINER:
        raise ValueError(
            f"pod.spec.containers: only the first one, {MAIN_CONTAINER!r}, can be patched, as it runs the flow; "
            "write a sidecar as an item of `initContainers` with `restartPolicy: Always`"
        )
    return first


def _check_names(given: Mapping[str, Any], known: Mapping[str, Any], refused: Mapping[str, str], where: str) -> None:
    for name in given:
        if name in refused:
            raise ValueError(f"{where}.{name} cannot be set: {refused[name]}")
        if name not in known:
            raise ValueError(f"{where} has no field {name!r}. {nearest(name, known)}")


def _mapping(given: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    value = given.get(name)
    if value is None:
        return {}
    if not is_mapping(value):
        raise ValueError(f"{where}.{name} is an object, not {value!r}")
    return value


def _items(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise ValueError(f"{where} is a list, not {value!r}")  # noqa: TRY004 - pydantic shows ValueErrors
    return list(cast("list[Any]", value))


def pod_variables(patch: Mapping[str, Any], given: Record) -> Record:
    """Convert a validated pod patch into job variables.

    Args:
        patch: Merged into the existing values: objects key by key, lists of named items item by item; other lists are
            replaced. None removes a value.
        given: The job variables so far.

    Returns:
        The job variables set by the patch, merged with the given ones; None unsets one.
    """
    metadata: Mapping[str, Any] = patch.get("metadata") or {}
    spec: Mapping[str, Any] = patch.get("spec") or {}
    container = main_container(spec)
    values: list[tuple[str, str, Any]] = [(key, key, value) for key, value in metadata.items()]
    for fields, prefix, place in ((pod_fields.POD, "pod", spec), (pod_fields.CONTAINER, "container", container)):
        values += [(pod_fields.variable_of(name, prefix), name, place[name]) for name in fields if name in place]
    own = ((pod_fields.PREFECTS_OWN, spec), (pod_fields.CONTAINER_PREFECTS_OWN, container))
    values += [
        (variable, name, place[name]) for names, place in own for name, variable in names.items() if name in place
    ]
    for kind, names in pod_fields.RESOURCES.items():
        amounts = _mapping(_mapping(container, "resources", "container"), kind, "resources")
        values += [(names[name], name, None if amount is None else str(amount)) for name, amount in amounts.items()]
    items: list[Record] = _items(container.get("env"), "env")
    if plain := {item["name"]: item["value"] for item in items if "value" in item}:
        values.append(("env", "", plain))
    if referring := [item for item in items if "valueFrom" in item]:
        values.append((pod_fields.SECRET_ENV, "env", referring))
    return {variable: strategic_merge(given.get(variable), value, field) for variable, field, value in values}


def strategic_merge(base: Any, patch: Any, field: str = "") -> Any:
    """Merge a patch into a value, as ``kubectl patch`` does.

    Args:
        base: The value; None if there is none.
        patch: The patch.
        field: The name of the field, which determines how a list is merged.
    """
    if is_mapping(patch):
        below: Mapping[str, Any] = base if is_mapping(base) else {}
        result: Record = dict(below)
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = strategic_merge(below.get(key), value, key)
        return result
    key = _MERGE_KEYS.get(field)
    if isinstance(patch, tuple):
        patch = list(cast("tuple[Any, ...]", patch))
    if key is None or not isinstance(patch, list) or not isinstance(base, list):
        return cast("Any", patch)
    ordered = {item[key]: item for item in cast("list[Record]", base)}
    for item in cast("list[Record]", patch):
        ordered[item[key]] = strategic_merge(ordered.get(item[key]), item)
    return list(ordered.values())


_COLLECTION: Final = re.compile(r"(?:list|List)\[(?P<item>.+)\]|(?:dict|Dict)[(\[]str, (?P<value>.+)[)\]]")
_SCALARS: Final[Mapping[str, tuple[type, ...]]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
    "datetime": (str,),
}


def check_pod_deeply(patch: Mapping[str, Any]) -> None:
    """Validate every field of a pod patch, at any depth, against Kubernetes' own models.

    Raises:
        ConfigurationError: A field is unknown or of the wrong type.
    """
    import kubernetes_asyncio.client as models  # takes seconds; needed only to deploy a patched pod

    _check_value(patch, "V1PodTemplateSpec", "pod", models)


def _check_value(value: Any, kind: str, where: str, models: Any) -> None:
    if value is None or kind == "object" or (isinstance(value, str) and "{{" in value):
        return
    if collection := _COLLECTION.fullmatch(kind):
        _check_collection(value, collection, where, models)
        return
    if (scalar := _SCALARS.get(kind)) is not None:
        right = isinstance(value, scalar) and (kind == "bool" or not isinstance(value, bool))
        if not right:
            raise ConfigurationError(f"{where} is {_spoken(kind)}, not {value!r}")
        return
    if not is_mapping(value):
        raise ConfigurationError(f"{where} is an object, not {value!r}")
    model = getattr(models, kind)
    kinds: dict[str, str] = {json_name: model.openapi_types[name] for name, json_name in model.attribute_map.items()}
    for name, inner in value.items():
        if name not in kinds:
            raise ConfigurationError(f"{where} has no field {name!r}", hint=nearest(name, kinds))
        _check_value(inner, kinds[name], f"{where}.{name}", models)


def _check_collection(value: Any, kind: re.Match[str], where: str, models: Any) -> None:
    if kind["item"]:
        if not isinstance(value, list | tuple):
            raise ConfigurationError(f"{where} is a list, not {value!r}")
        for position, item in enumerate(cast("list[Any]", value)):
            _check_value(item, kind["item"], f"{where}[{position}]", models)
        return
    if not is_mapping(value):
        raise ConfigurationError(f"{where} is an object, not {value!r}")
    for name, item in value.items():
        quantity = isinstance(item, int | float) and not isinstance(item, bool) and ".resources." in f"{where}."
        if not quantity:
            _check_value(item, kind["value"], f"{where}.{name}", models)


def _spoken(kind: str) -> str:
    return {"str": "text", "int": "a whole number", "bool": "true or false", "float": "a number", "datetime": "a time"}[
        kind
    ]
