"""Converts the triggers of a prefect.yaml entry into the variable `triggers`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from meta_prefect.errors import first_line
from meta_prefect.implementations.notification.triggers import Condition, Trigger
from meta_prefect.init.prefect_yaml_source import NO_EFFECT, Source
from meta_prefect.init.prefect_yaml_templates import Place, filled
from meta_prefect.prefect_internals.clients import leads_to_cloud
from meta_prefect.project.document import KeyPath


def triggers_of(written: Any, path: KeyPath, source: Source) -> Iterator[dict[str, Any]]:
    """Yield the supported triggers, with remarks on the others."""
    for index, one in enumerate(source.items(written, path)):
        if trigger := _trigger(source.mapping(one, (*path, index)), (*path, index), source):
            yield trigger


def _trigger(written: Mapping[str, Any], path: KeyPath, source: Source) -> dict[str, Any] | None:
    if written.get("type") == "metric" or written.get("posture") == "Metric":
        if not leads_to_cloud():
            source.say(path, "triggers by metric are Prefect Cloud's, which this server is not; it is left out")
            return None
        written = {key: value for key, value in written.items() if key != "posture"} | {"type": "metric"}
    fields = _known_of(written, Trigger, path, source)
    if "triggers" in fields:
        fields.setdefault("type", "compound" if "require" in written else "sequence")
        fields["triggers"] = [
            _known_of(source.mapping(one, (*path, "triggers", number)), Condition, (*path, "triggers", number), source)
            for number, one in enumerate(source.items(written["triggers"], (*path, "triggers")))
        ]
    fields = filled(fields, path, source, Place.TRIGGER)
    try:
        Trigger.model_validate(fields)
    except ValidationError as error:
        source.say(path, f"left out, as Meta-Prefect refuses it: {first_line(error)}")
        return None
    return fields


def _known_of(written: Mapping[str, Any], model: type[Condition], path: KeyPath, source: Source) -> dict[str, Any]:
    is_plain = written.get("type") in (None, "event")
    for key in written.keys() - model.model_fields.keys() - ({"type"} if is_plain else set()):
        source.say((*path, key), f"{NO_EFFECT}, as Prefect's triggers have no such key; it is left out")
    return {key: one for key, one in written.items() if key in model.model_fields and one is not None}
