"""The `build`, `push` and `pull` steps that apply to an entry of a prefect.yaml, and their outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from meta_prefect.implementations.code.step_functions import present_name
from meta_prefect.init.prefect_yaml_source import NO_EFFECT, Source
from meta_prefect.plan.references import PLACEHOLDER
from meta_prefect.project.document import KeyPath

BUILDS_IMAGE: Final = "prefect_docker.deployments.steps.build_docker_image"
PUSHES_IMAGE: Final = "prefect_docker.deployments.steps.push_docker_image"
_COMMIT: Final = re.compile(r"git\s+(rev-parse|describe|log)\b")


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """A step as written, with its position."""

    function: str
    inputs: Mapping[str, Any]
    path: KeyPath

    @property
    def id(self) -> str:
        """The id by which others refer to its outputs."""
        return str(self.inputs.get("id") or "")


@dataclass(slots=True)
class Steps:
    """The steps that apply to an entry.

    Attributes:
        build: What `prefect deploy` does before it stores the deployment.
        push: What it does afterwards.
        pull: What a worker does before each run; None if Prefect generates the steps.
        looked_at: The build steps from which Prefect generates them, including the file's steps that an entry disabled.
        used: The steps that were converted into something.
    """

    build: tuple[WrittenStep, ...]
    push: tuple[WrittenStep, ...]
    pull: tuple[WrittenStep, ...] | None
    looked_at: tuple[WrittenStep, ...]
    used: list[WrittenStep] = field(default_factory=list[WrittenStep])

    def gives(self, text: object) -> Iterator[tuple[WrittenStep, str]]:
        """Yield the steps and outputs that a text refers to, by step id and output name or by output name alone."""
        for match in PLACEHOLDER.finditer(text) if isinstance(text, str) else ():
            root, dot, output = match["name"].partition(".")
            for step in (*self.push, *self.build):
                is_image = step.function == BUILDS_IMAGE and root in ("image", "image_name", "tag")
                if (root == step.id) if dot else is_image:
                    yield step, output or root

    def give_commit(self, text: object) -> bool:
        """Return whether a text refers to a commit that a step reads from Git."""
        found = [
            step
            for step, output in self.gives(text)
            if output == "stdout" and _COMMIT.search(str(step.inputs.get("script", "")))
        ]
        self.used += found
        return bool(found)


def steps_of(entry: Mapping[str, Any], path: KeyPath, source: Source) -> Steps:
    """Return an entry's steps: its own, or the file's; `null` disables the file's for `build` only."""

    def of(kind: str, *, own: bool) -> tuple[WrittenStep, ...]:
        written, place = (entry.get(kind), (*path, kind)) if own else (source.data.get(kind), (kind,))
        return tuple(_written(written, place, source))

    pull_is_own = bool(entry.get("pull")) or entry.get("pull", ()) == []
    pull = entry.get("pull") if pull_is_own else source.data.get("pull")
    return Steps(
        build=of("build", own="build" in entry),
        push=of("push", own=bool(entry.get("push"))),
        pull=of("pull", own=pull_is_own) if pull or pull == [] else None,
        looked_at=of("build", own=bool(entry.get("build"))),
    )


def _written(value: Any, path: KeyPath, source: Source) -> Iterator[WrittenStep]:
    steps: Sequence[Any] = [value] if isinstance(value, Mapping) else source.items(value, path)
    for index, step in enumerate(steps):
        place = path if isinstance(value, Mapping) else (*path, index)
        if step := source.mapping(step, place):
            function, inputs = next(iter(step.items()))
            if (name := present_name(function)) != function:
                source.say(
                    (*place, function), f"Prefect calls this step {name!r} now; by the name here runs and deploys fail"
                )
            yield WrittenStep(name, source.mapping(inputs, (*place, function)), (*place, function))


def say_what_is_left(steps: Steps, source: Source) -> None:
    """Remark on the deploy steps that were not converted into anything."""
    for step in (*steps.build, *steps.push):
        if step in steps.used:
            continue
        if step.function in (BUILDS_IMAGE, PUSHES_IMAGE):
            text = f"builds an image that this deployment does not refer to, so it {NO_EFFECT} on its runs"
        else:
            text = "runs at each `prefect deploy`; nothing here does: run it before `meta-prefect deploy`"
        source.say(step.path, text)
