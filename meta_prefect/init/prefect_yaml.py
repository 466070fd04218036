"""Reads a prefect.yaml as deployments of `work_pool_deployer`, and reports what cannot be carried over.

What `prefect deploy` silently ignored stays without effect and is reported. What the installed Prefect rejects but an earlier
version deployed is read as it was meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from meta_prefect.errors import nearest
from meta_prefect.flows.catalog import catalog_of
from meta_prefect.init.found import Found, FoundDeployment
from meta_prefect.init.prefect_refusals import refusals
from meta_prefect.init.prefect_yaml_entry import deployment_of
from meta_prefect.init.prefect_yaml_source import NO_EFFECT, Source, open_source

_KNOWN: Final = ("prefect-version", "name", "build", "push", "pull", "deployments")
_HOLDS_ANCHORS: Final = ("definitions", "x-", ".")


def read_prefect_yaml(file: Path) -> Found:
    """Read a prefect.yaml. Flows are looked up in its folder, and imported if their name is not evident from the source.

    Raises:
        ValidationFailed: The file cannot be read, or is not a YAML mapping.
    """
    source = open_source(file)
    _say_what_is_ignored(source)
    for path, message in refusals(file, source.document):
        source.say(path, f"Prefect refuses the whole file because of this, and deploys nothing of it: {message}")
    entries: Any = source.data.get("deployments") or []
    if not isinstance(entries, list):
        source.say(
            ("deployments",),
            f"{NO_EFFECT}: `deployments` is to be a list of entries, each with a `name`; nothing of it is read",
        )
        entries = []
    remarks = list(source.take_remarks())
    flows = catalog_of(source.root, from_source=True)
    deployments: list[FoundDeployment] = []
    for index, entry in enumerate(cast("list[Any]", entries)):
        if isinstance(entry, Mapping):
            found = deployment_of(cast("Mapping[str, Any]", entry), ("deployments", index), source, flows)
            deployments += [found] if found else []
        remarks += source.take_remarks()
    name = source.data.get("name")
    return Found(name if isinstance(name, str) and name else None, tuple(deployments), tuple(remarks))


def _say_what_is_ignored(source: Source) -> None:
    for key in source.data.keys() - {*_KNOWN}:
        if not key.startswith(_HOLDS_ANCHORS):
            close = nearest(key, _KNOWN)
            meant = f". {close}" if close.startswith("Did") else ", save what aliases take from it"
            source.say((key,), f"{NO_EFFECT}, as Prefect does not know it{meant}")
