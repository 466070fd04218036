"""Converts how runs get their code in a prefect.yaml into the variables `pull` and `s3`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, cast

from meta_prefect.hidden_values import secrets_in
from meta_prefect.implementations.code.automatic_dockerfile import AUTOMATIC
from meta_prefect.init.prefect_yaml_image import code_in_auto_image
from meta_prefect.init.prefect_yaml_source import Source
from meta_prefect.init.prefect_yaml_steps import BUILDS_IMAGE, Steps, WrittenStep
from meta_prefect.init.prefect_yaml_templates import Place, filled, secret_reference
from meta_prefect.interfaces.pull_steps import SETS_DIRECTORY, PullStep, fetches_code
from meta_prefect.project.document import KeyPath

_PUSHES_S3: Final = "prefect_aws.deployments.steps.push_to_s3"
_PULLS_S3: Final = "prefect_aws.deployments.steps.pull_from_s3"
_CREDENTIALS: Final = re.compile(r"\{\{\s*prefect\.blocks\.([a-z0-9-]+)\.([a-z0-9-]+)\s*\}\}")


def uploaded_code(steps: Steps, source: Source) -> dict[str, Any]:
    """Return the variable `s3` for code that one step uploads to a bucket and another downloads before each run."""
    push = next((one for one in steps.push if one.function == _PUSHES_S3), None)
    pull = next((one for one in steps.pull or () if one.function == _PULLS_S3), None)
    if push is None or pull is None:
        return {}
    steps.used += [push, pull]
    found: dict[str, Any] = {
        "bucket": filled(push.inputs.get("bucket"), (*push.path, "bucket"), source, needed=True),
        "path": str(filled(push.inputs.get("folder") or "", (*push.path, "folder"), source, needed=True)).strip("/"),
    }
    if written := push.inputs.get("credentials"):
        if match := _CREDENTIALS.fullmatch(str(written).strip()):
            found["credentials"] = f"{match[1]}/{match[2]}"
        else:
            source.say(
                (*push.path, "credentials"),
                "is left out: save the credentials as a block, and name it `aws-credentials/NAME`",
            )
    source.say(
        push.path,
        "the code is uploaded where it has changed, into a folder of its own for each content, from which runs take it",
    )
    return {"s3": found}


def pull_of(steps: Steps, image: object, source: Source, *, uploaded: bool) -> list[PullStep] | None:
    """Return the variable `pull`; None if the recipe's default equals Prefect's.

    Args:
        steps: The entry's steps.
        image: The job variable `image`, as written.
        source: The file.
        uploaded: Whether the code comes from the variable `s3`.
    """
    if steps.pull is None:
        return _made_up(steps, image, source)
    pull = [_pull_step(one, steps, source) for one in steps.pull if one not in steps.used]
    if uploaded:
        pull = [_where_the_code_is(step, [one.id for one in steps.used]) for step in pull]
    if pull and not uploaded and not any(fetches_code(step) for step in pull):
        source.say(
            steps.pull[0].path,
            "brings no code: a first step is added that says so, `set_working_directory: .`, where runs start anyway",
        )
        return [{SETS_DIRECTORY: {"directory": "."}}, *pull]
    return pull if pull or not uploaded else None


def _where_the_code_is(step: PullStep, ids: Sequence[str]) -> PullStep:
    """Replace a reference to the output of the step that fetched the code by the code's location."""
    ((function, inputs),) = step.items()
    folder = inputs.get("directory")
    if not isinstance(folder, str) or folder.strip("{} ") not in {f"{one}.directory" for one in ids}:
        return step
    return {function: {key: value for key, value in inputs.items() if key != "directory"}}


def _made_up(steps: Steps, image: object, source: Source) -> list[PullStep] | None:
    """Return the steps that Prefect generates if neither the entry nor the file has pull steps."""
    built = next((one for one in steps.looked_at if one.function == BUILDS_IMAGE), None)
    if built is None:
        return [{SETS_DIRECTORY: {"directory": "/opt/prefect"}}] if image else None
    if built.inputs.get("dockerfile") == AUTOMATIC:
        return [{SETS_DIRECTORY: {"directory": code_in_auto_image(source)}}]
    return []


def _pull_step(step: WrittenStep, steps: Steps, source: Source) -> PullStep:
    inputs: dict[str, Any] = filled(dict(step.inputs), step.path, source, Place.PULL)
    for key, value in step.inputs.items():
        if next(steps.gives(value), None) and key in inputs:
            del inputs[key]
            source.say(
                (*step.path, key),
                "only `prefect deploy` knows what its build and push steps give; it is left out: write the value",
            )
    for key in {dotted.partition(".")[0].partition("[")[0] for dotted in secrets_in(inputs)}:
        inputs[key] = _with_references(inputs[key], (*step.path, key), source)
    return {step.function: inputs}


def _with_references(value: Any, path: KeyPath, source: Source) -> Any:
    """Replace each secret text in a value by a reference to a saved block."""
    match value:
        case str():
            return secret_reference(str(path[-1]), path, source) if secrets_in(value, *map(str, path)) else value
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {key: _with_references(one, (*path, key), source) for key, one in items}
        case list():
            found = cast("list[Any]", value)
            return [_with_references(one, (*path, index), source) for index, one in enumerate(found)]
        case _:
            return value
