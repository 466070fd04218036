"""Where an object's page is in the Prefect UI, seen from an artifact's page."""

from __future__ import annotations

from typing import Final, Literal

Kind = Literal["deployment", "flow-run"]

# An artifact's page is at `artifacts/artifact/<id>`, whatever stands before that.
_PLACES: Final[dict[Kind, str]] = {
    "deployment": "../../deployments/deployment/",
    "flow-run": "../../runs/flow-run/",
}


def place(kind: Kind, object_id: str | None) -> str | None:
    """The relative address of an object's page; None where there is no object."""
    return None if object_id is None else f"{_PLACES[kind]}{object_id}"
