"""The image that the build steps of a prefect.yaml make, as the variables `image` and `build`."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Final

from meta_prefect.implementations.code.automatic_dockerfile import AUTOMATIC
from meta_prefect.init.prefect_yaml_source import Source
from meta_prefect.init.prefect_yaml_steps import BUILDS_IMAGE, PUSHES_IMAGE, Steps, WrittenStep
from meta_prefect.init.prefect_yaml_templates import filled
from meta_prefect.project.document import KeyPath

_SETTINGS: Final = {"buildargs": "arguments", "target": "target", "platform": "platform"}
_PLACES: Final = ("path", "context", "dockerfile")
_KNOWN: Final = {"id", "requires", "image_name", "tag", *_PLACES, *_SETTINGS}


def built_image(image: object, steps: Steps, path: KeyPath, source: Source) -> dict[str, Any]:
    """The variables `image` and `build` for an image that a step builds; nothing for any other image.

    Args:
        image: The job variable `image`, as it is written.
        steps: The entry's steps.
        path: Where the image stands.
        source: The file.
    """
    step = next((step for step, _ in steps.gives(image) if step.function == BUILDS_IMAGE), None)
    if step is None:
        return {}
    push = [one for one in steps.push if one.function == PUSHES_IMAGE]
    steps.used += [step, *push]
    name = filled(step.inputs.get("image_name"), (*step.path, "image_name"), source)
    places = {key: str(step.inputs[key]).removeprefix("./") for key in _PLACES if step.inputs.get(key)}
    for key in step.inputs.keys() - _KNOWN:
        source.say((*step.path, key), "a build here has no such setting; it is left out")
    build = _settings(step, places, source)
    if steps.give_commit(step.inputs.get("tag")):
        build["tag"] = "commit"
    if not push:
        build["push"] = False
    if any(one.startswith("/") or ".." in PurePosixPath(one).parts for one in places.values()):
        source.say(
            step.path,
            "builds from outside of this folder, as an image here is not: put meta_prefect.yaml into the folder of the context; "
            "until then `image` names one that is built elsewhere, and needs its tag",
        )
        return {"image": name}
    source.say(
        path,
        "the image is built where its content has changed; its tag is a hash of that, or the commit, and not that of the step",
    )
    return {"image": name, "build": build}


def _settings(step: WrittenStep, places: dict[str, str], source: Source) -> dict[str, Any]:
    build: dict[str, Any] = {}
    if (dockerfile := places.get("dockerfile")) not in (None, "Dockerfile"):
        build["dockerfile"] = dockerfile
    if dockerfile == AUTOMATIC:
        build["folder"] = code_in_auto_image(source)
    if (context := places.get("path") or places.get("context") or ".") != ".":
        build["context"] = context
    for key, ours in _SETTINGS.items():
        if (value := step.inputs.get(key)) is not None:
            build[ours] = filled(value, (*step.path, key), source)
    return build


def code_in_auto_image(source: Source) -> str:
    """Where the code is in an image for which Prefect writes the Dockerfile."""
    return f"/opt/prefect/{source.root.name}"
