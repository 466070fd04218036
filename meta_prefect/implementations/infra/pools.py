"""Work pools whose template is patched inside lists, where Prefect's templates define their containers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from meta_prefect.interfaces.components import WorkerPool
from meta_prefect.interfaces.json_diff import FieldChange, Record, is_mapping, merged


class JobPool(WorkerPool):
    """A work pool whose ``template`` can patch lists: an object with positions as keys stands for a list.

    ``{"containers": {"0": {"env": "{{ secret_env }}"}}}`` changes the ``env`` of the first container and leaves the rest of the
    list as Prefect has it.
    """

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare this component's additions, position by position inside lists."""
        if live is None or not live.get("base_job_template"):
            return super().compare(live)
        return super().compare({**live, "base_job_template": _by_position(live["base_job_template"], self.additions)})

    def with_additions(self, own: Record) -> Record:
        """Return a template with this component's additions, position by position inside lists."""
        return _as_lists(merged(_by_position(own, self.additions), self.additions), own)


def _by_position(value: Any, patch: Any) -> Any:
    """Convert lists to objects wherever the patch uses an object."""
    if not is_mapping(patch):
        return value
    items: Mapping[str, Any] = {}
    if is_mapping(value):
        items = value
    elif isinstance(value, list) and patch and all(key.isdecimal() for key in patch):
        items = {str(position): item for position, item in enumerate(cast("list[Any]", value))}
    else:
        return cast("Any", value)
    return {key: _by_position(item, patch.get(key)) for key, item in items.items()}


def _as_lists(value: Any, own: Any) -> Any:
    """Convert objects back to lists wherever Prefect's template has lists."""
    if not is_mapping(value):
        return value
    if isinstance(own, list):
        items = cast("list[Any]", own)
        below = dict(enumerate(items))
        return [_as_lists(value[str(position)], below.get(position)) for position in range(len(value))]
    inside: Mapping[str, Any] = own if is_mapping(own) else {}
    return {key: _as_lists(item, inside.get(key)) for key, item in value.items()}
