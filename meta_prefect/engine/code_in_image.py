"""Checks whether an image contains the flow that its runs will load, if the image is accessible from here."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from meta_prefect.engine.resolve import Draft
from meta_prefect.errors import ConfigurationError, MetaPrefectError
from meta_prefect.flows.entrypoints import parse_entrypoint
from meta_prefect.implementations.code.built_image import BuiltImage
from meta_prefect.implementations.code.image_engine import DockerEngine, ImageEngine
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.pull_steps import SETS_DIRECTORY, fetches_code, parts


@dataclass(frozen=True, slots=True)
class CodeInImage:
    """What runs load from an image.

    Attributes:
        image: The image.
        entrypoint: The flow's entrypoint.
        paths: Files of which at least one must exist; relative paths are resolved from the image's working directory.
        may_be_installed: Whether it may also be anywhere else on Python's path.
    """

    image: str
    entrypoint: str
    paths: tuple[str, ...]
    may_be_installed: bool


def code_in_image(deployment: Deployment) -> CodeInImage | None:
    """Return what runs load from their image; None if they fetch their code, or the image is unknown."""
    image: object = deployment.job_variables.get("image")
    steps = [parts(step) for step in deployment.pull_steps if fetches_code(step)]
    if not isinstance(image, str) or "{{" in image or {function for function, _ in steps} - {SETS_DIRECTORY}:
        return None
    folder = posixpath.join("", *(str(inputs.get("directory", "")) for _, inputs in steps))
    if "{{" in folder:
        return None
    entrypoint = deployment.entrypoint or deployment.flow.entrypoint
    parsed = parse_entrypoint(entrypoint)
    module = (parsed.module or "").replace(".", "/")
    files = [f"{module}.py", f"{module}/__init__.py"] if module else [str(parsed.file)]
    paths = tuple(posixpath.normpath(posixpath.join(folder, file)) for file in files)
    return CodeInImage(image, entrypoint, paths, may_be_installed=bool(module))


async def look_into_images(drafts: Sequence[Draft], to_build: Iterable[str]) -> Mapping[int, str]:
    """Find deployments whose image does not contain their flow, and record that as their error.

    Args:
        drafts: The deployments to be written.
        to_build: The images that will be built first, and are checked by :func:`check_built`.

    Returns:
        Why an image was not checked, by the id of the draft.
    """
    later = set(to_build)
    wanted = {
        id(draft): one
        for draft in drafts
        if (one := code_in_image(draft.deployment)) is not None and one.image not in later
    }
    engines = {one.reference: one.engine() for draft in drafts for one in _built(draft)}
    images = dict.fromkeys(wanted.values())
    found = dict(
        zip(images, await asyncio.gather(*(_look(one, engines.get(one.image)) for one in images)), strict=True)
    )
    notes: dict[int, str] = {}
    for draft in drafts:
        code = wanted.get(id(draft))
        match found[code] if code is not None else None:
            case ConfigurationError() as error:
                draft.refuse(error)
            case str() as why:
                notes[id(draft)] = why
            case _:
                pass
    return notes


async def check_built(draft: Draft) -> None:
    """Check an image that this deploy has built.

    Raises:
        ConfigurationError: It does not contain the flow.
    """
    code = code_in_image(draft.deployment)
    for image in _built(draft):
        if code is not None and isinstance(error := await _look(code, image.engine()), ConfigurationError):
            raise error


def _built(draft: Draft) -> list[BuiltImage]:
    return [one for one in draft.components if isinstance(one, BuiltImage) and one.enabled]


async def _look(code: CodeInImage, engine: ImageEngine | None) -> ConfigurationError | str | None:
    """Return the error if the image certainly lacks the code, the reason if that is unknown, and None if it has it."""
    what = f"whether the image {code.image} holds {code.entrypoint!r} was not looked at"
    try:
        found = await (engine or DockerEngine(f"image {code.image}")).holding(code.image, code.paths)
    except MetaPrefectError as error:
        return f"{what}: {error.message}"
    if found is None:
        return f"{what}: the Docker engine here does not have it"
    if found:
        return None
    if code.may_be_installed:
        return f"{what}: it is not in the folder in which the image starts, and may be an installed module"
    return ConfigurationError(
        f"the image {code.image} has no file {code.paths[0]!r}, from which its runs load the flow",
        hint="Copy the project to the folder in which the image starts (`WORKDIR`), or let a pull step enter where it is.",
    )
