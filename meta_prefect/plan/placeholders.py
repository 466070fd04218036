"""Detects templates such as ``{{ $VAR }}`` where nothing would resolve them, so that they would be stored literally.

``prefect deploy`` fills templates before it stores a deployment; a deploy here stores what is written, so that no secret gets
into it. What is resolved in a run is allowed: blocks and variables in job variables and pull steps, ``{{ ctx.flow_run.name
}}``, and in pull steps the environment and the outputs of earlier steps.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from meta_prefect.errors import ConfigurationError, nearest
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import is_mapping
from meta_prefect.plan.checks import parameters_by_place
from meta_prefect.plan.references import PLACEHOLDER, texts_in

_OF_A_RUN: Final = {"ctx", "flow", "flow_run", "deployment", "task_run", "work_pool", "work_queue", "worker"}
"""The prefix of what workers fill in themselves: ``{{ ctx.flow_run.name }}``."""

_OF_A_DEPLOY: Final = re.compile(r"\A\$env:(?P<whole>\w+)\Z|\$\{env:(?P<part>\w+)\}")
"""Templates that are supported in the project file's variables, but not in code."""

_OUTPUTS: Final = {
    "additional_tags",
    "bucket",
    "directory",
    "folder",
    "image",
    "image_id",
    "image_name",
    "stderr",
    "stdout",
    "tag",
}
"""The outputs of Prefect's own steps. Any other dotted name may be a template of the flow itself."""


def misplaced_templates(deployment: Deployment) -> Iterator[ConfigurationError]:
    """Yield an error for each template that nothing would resolve, with what to write instead."""
    for place, values in parameters_by_place(deployment).items():
        for keys, text, name in _templates(values):
            if hint := _instead_in_parameters(name):
                yield _error(deployment, f"{place}{_path(keys)}", text, hint).is_about(*keys, value=text)
    for keys, text, name in _templates(deployment.job_variables):
        # The job's name is filled in by the worker, which also has its own environment.
        if keys != ("name",) and (hint := _instead_in_job_variables(name)):
            yield _error(deployment, f"job_variables{_path(keys)}", text, hint).is_about(*keys, value=text)
    yield from _of_pull_steps(deployment)
    fields = ("name", "version", "tags", "work_pool_name", "work_queue_name", "entrypoint", "description")
    for field in fields:
        for keys, text, name in _templates(getattr(deployment, field)):
            # A flow's docstring may mention templates; only a description consisting of one is meant as one.
            is_meant = field != "description" or PLACEHOLDER.fullmatch(text.strip()) is not None
            if is_meant and ("." in name or name.startswith("$")):
                hint = "Nothing is resolved there: write the text itself"
                hint += f", or {_at_deploy(name)}." if name.startswith("$") else "."
                yield _error(deployment, f"{field}{_path(keys)}", text, hint).is_about(field, value=text)


def _of_pull_steps(deployment: Deployment) -> Iterator[ConfigurationError]:
    """Yield errors for references to outputs of no earlier step, which Prefect would replace by nothing."""
    ids: list[str] = []
    for index, step in enumerate(deployment.pull_steps):
        for keys, text, name in _templates(step):
            root, dot, _ = name.partition(".")
            if dot and root not in (*ids, *_OF_A_RUN, "prefect") and not name.startswith("$"):
                close = nearest(root, ids)
                hint = f"No pull step before it has the id {root!r}; what steps of a build give is not known in a run. {close}"
                place = f"pull_steps[{index}]{_path(keys)}"
                yield _error(deployment, place, text, hint.strip()).is_about(*keys, value=text)
        ids += [inputs["id"] for inputs in step.values() if is_mapping(inputs) and isinstance(inputs.get("id"), str)]


def _error(deployment: Deployment, place: str, text: str, hint: str) -> ConfigurationError:
    return ConfigurationError(
        f"{place}: nothing resolves the template in {text!r}, and it would be stored as it is",
        where=f"deployment {deployment.full_name}",
        hint=hint,
    )


def _instead_in_parameters(name: str) -> str | None:
    """Return what to write instead of a template in a flow's parameters; None if it may be the flow's own."""
    if name.startswith("$"):
        return f"Write the value, {_at_deploy(name)}, or read it in the flow: `os.environ[{name[1:]!r}]`."
    if name.startswith("prefect.variables."):
        return f"Read it in the flow: `Variable.get({_named(name.split('.')[2])})`."
    if name.startswith("prefect.blocks."):
        block_type, _, rest = name.removeprefix("prefect.blocks.").partition(".")
        loaded = f"load({_named(rest.partition('.')[0])})"
        how = (
            f"`Secret.{loaded}.get()`" if block_type == "secret" else f"`{loaded}` of the block's class ({block_type})"
        )
        return f"Load it in the flow: {how}; a parameter is stored with every run, for all to read."
    return _instead_of_output(name, _OUTPUTS)


def _instead_in_job_variables(name: str) -> str | None:
    """Return what to write instead of a template in job variables; None for what is resolved in a run."""
    if name.startswith("$"):
        return (
            f"Write the value, {_at_deploy(name)}, or what is resolved in each run: "
            f"`{{{{ prefect.variables.{name[1:].lower()} }}}}` for a Prefect variable, "
            "`{{ prefect.blocks.secret.NAME }}` for a secret."
        )
    if name.partition(".")[0] in (*_OF_A_RUN, "prefect"):
        return None
    return _instead_of_output(name, None)


def _at_deploy(name: str) -> str:
    within = "`${env:" + name[1:] + "}` within one"
    return (
        f"`$env:{name[1:]}` as the whole value in the project file, {within}, which a deploy fills (never for a secret)"
    )


def _instead_of_output(name: str, outputs: Collection[str] | None) -> str | None:
    """Return what to write instead of a step's output, such as ``build-image.image``."""
    step, dot, output = name.partition(".")
    if not dot or not step or (outputs is not None and output not in outputs):
        return None
    if "image" in output or output == "tag":
        return "Only `prefect deploy` knows what build steps give. Let the recipe build the image: `image: NAME` and `build:`."
    return "Only `prefect deploy` knows what its steps give. Write the value itself."


def _named(name: str) -> str:
    return repr(re.split(r"\[", name)[0])


def _path(keys: tuple[str, ...]) -> str:
    return "".join(f".{key}" for key in keys)


def _templates(value: Any) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield each placeholder in a value: its path, the text that contains it, and its name."""
    for way, text in texts_in(value):
        keys = tuple(map(str, way))
        for found in _OF_A_DEPLOY.finditer(text):
            yield keys, text, f"${found['whole'] or found['part']}"
        for placeholder in PLACEHOLDER.finditer(text):
            yield keys, text, placeholder["name"]
