"""Converts the templates that `prefect deploy` fills into the terms of a project file.

Before storing a deployment, Prefect fills in environment variables, saved variables and blocks, and outputs of build and push
steps. What it cannot fill is silently dropped, except in pull steps and in the parameters of triggers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any, Final, cast

from meta_prefect.init.prefect_yaml_source import NO_EFFECT, Source
from meta_prefect.plan.references import PLACEHOLDER
from meta_prefect.project.document import KeyPath
from meta_prefect.redaction import is_secret_name

_SLUG: Final = re.compile(r"[^a-z0-9]+")


class Place(Enum):
    """The context of a template, which determines what may be written there."""

    JOB_VARIABLES = "job variables"
    PULL = "pull steps"
    TRIGGER = "triggers"
    OTHER = "other"


class Gone(Enum):
    """Sentinel for a dropped value."""

    GONE = "gone"


GONE: Final = Gone.GONE


def filled(value: Any, path: KeyPath, source: Source, place: Place = Place.OTHER, *, needed: bool = False) -> Any:
    """Return a value without templates that nothing would resolve.

    Args:
        value: The value as written.
        path: Its path.
        source: The file, which collects remarks about changes.
        place: Its context.
        needed: Whether the deployment is impossible without it; the template is then kept, for the plan to report.

    Returns:
        The value, or ``GONE`` if nothing is left of it.
    """
    again = partial(filled, source=source, place=place)
    match value:
        case str():
            return _text(value, path, source, place, needed=needed)
        case dict():
            items = {key: again(one, (*path, key)) for key, one in cast("dict[str, Any]", value).items()}
            return {key: one for key, one in items.items() if one is not GONE}
        case list():
            found = [again(one, (*path, index)) for index, one in enumerate(cast("list[Any]", value))]
            return [one for one in found if one is not GONE]
        case _:
            return value


def _text(text: str, path: KeyPath, source: Source, place: Place, *, needed: bool) -> str | Gone:
    names = [match["name"] for match in PLACEHOLDER.finditer(text)]
    if not names:
        return text
    is_whole = PLACEHOLDER.fullmatch(text) is not None
    say = partial(source.say, path)
    if secret := next((name[1:] for name in names if _is_secret_variable(name, path)), None):
        if place not in (Place.JOB_VARIABLES, Place.PULL):
            say("`prefect deploy` stores this secret's value for all to read; here it is left out: load it in the flow")
            return GONE
        return secret_reference(
            secret if is_whole else str(path[-1]), path, source, variable=secret if is_whole else None
        )
    result = text
    for match in PLACEHOLDER.finditer(text):
        filling = _filling(match["name"], place, say, is_whole=is_whole)
        if filling is GONE and needed:
            return text
        if filling is GONE and is_whole:
            return GONE
        if filling is not None:
            result = result.replace(match[0], "" if filling is GONE else str(filling))
    return result


def _is_secret_variable(name: str, path: KeyPath) -> bool:
    return name.startswith("$") and any(is_secret_name(part) for part in (name[1:], *map(str, path[2:])))


def secret_reference(name: str, path: KeyPath, source: Source, *, variable: str | None = None) -> str:
    """Return a reference to a saved block instead of a secret that `prefect deploy` would write into the deployment.

    Args:
        name: The secret's name.
        path: Its path.
        source: The file, which gets a remark on how to save the block.
        variable: The environment variable that holds it, if any.
    """
    block = _SLUG.sub("-", name.lower()).strip("-")
    value = "'…'" if variable is None else f"os.environ[{variable!r}]"
    source.say(
        path,
        "`prefect deploy` stores this secret's value for all to read; a reference to a saved block stands here instead, resolved "
        f'in each run. Save it once: `python -c "import os; from prefect.blocks.system import Secret; Secret(value={value})'
        f'.save({block!r})"`',
    )
    return "{{ prefect.blocks.secret." + block + " }}"


def _filling(name: str, place: Place, say: Callable[[str], None], *, is_whole: bool) -> str | Gone | None:
    """Return what replaces a placeholder; None to keep the placeholder."""
    root = name.partition(".")[0]
    if name.startswith("$"):
        if place is Place.PULL:
            say(
                f"filled at each deploy, as until now; write `{{{{ {name} }}}}` for what the worker's own environment has"
            )
        return f"$env:{name[1:]}" if is_whole else "${env:" + name[1:] + "}"
    if root == "prefect":
        return _saved(name, place, say)
    if root == "ctx" or place in (Place.PULL, Place.TRIGGER):
        return None
    say(f"nothing fills `{{{{ {name} }}}}` here: `prefect deploy` leaves it out, so it {NO_EFFECT}{_for_runs(root)}")
    return GONE


def _for_runs(root: str) -> str:
    return (
        "; what a run knows of itself is `{{ ctx.flow_run.name }}`"
        if root in ("flow_run", "flow", "deployment")
        else ""
    )


def _saved(name: str, place: Place, say: Callable[[str], None]) -> Gone | None:
    """Handle a saved block or variable, which `prefect deploy` resolves everywhere but in pull steps."""
    is_block = name.startswith("prefect.blocks.")
    what = "block" if is_block else "variable"
    if place is Place.PULL:
        return None
    if place is Place.JOB_VARIABLES:
        say(f"`prefect deploy` stores what the {what} holds; here the reference is stored, and resolved in each run")
        return None
    instead = (
        "load the block in the flow" if is_block else f"read it in the flow, `Variable.get({name.split('.')[-1]!r})`"
    )
    say(f"`prefect deploy` stores what the {what} holds; here it is left out: {instead}, or write the value")
    return GONE
