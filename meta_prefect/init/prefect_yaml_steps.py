"""The `build`, `push` and `pull` steps that count for an entry of a prefect.yaml, and what they give to others."""

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
    """A step as it is written, and where."""

    function: str
    inputs: Mapping[str, Any]
    path: KeyPath

    @property
    def id(self) -> str:
        """The name by which others refer to what it gives."""
        return str(self.inputs.get("id") or "")


@dataclass(slots=True)
class Steps:
    """The steps that count for an entry.

    Attributes:
        build: What `prefect deploy` does before it stores the deployment.
        push: What it does then.
        pull: What a worker does before each run; None where Prefect makes something up.
        looked_at: The build steps by which Prefect makes it up: also those of the file that an entry has switched off.
        used: The steps of which something has been made.
    """

    build: tuple[WrittenStep, ...]
    push: tuple[WrittenStep, ...]
    pull: tuple[WrittenStep, ...] | None
    looked_at: tuple[WrittenStep, ...]
    used: list[WrittenStep] = field(default_factory=list[WrittenStep])

    def gives(self, text: object) -> Iterator[tuple[WrittenStep, str]]:
        """The steps to whose outputs a text refers, with the outputs: by a step's id, or by the output's name alone."""
        for match in PLACEHOLDER.finditer(text) if isinstance(text, str) else ():
            root, dot, output = match["name"].partition(".")
            for step in (*self.push, *self.build):
                is_image = step.function == BUILDS_IMAGE and root in ("image", "image_name", "tag")
                if (root == step.id) if dot else is_image:
                    yield step, output or root

    def give_commit(self, text: object) -> bool:
        """Whether a text is what a step reads from Git."""
        found = [
            step
            for step, output in self.gives(text)
            if output == "stdout" and _COMMIT.search(str(step.inputs.get("script", "")))
        ]
        self.used += found
        return bool(found)


def steps_of(entry: Mapping[str, Any], path: KeyPath, source: Source) -> Steps:
    """The steps of an entry: its own, or those of the file; `null` is none of one's own for `build` alone."""

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
    """Remark on the steps of a deploy of which nothing has been made."""
    for step in (*steps.build, *steps.push):
        if step in steps.used:
            continue
        if step.function in (BUILDS_IMAGE, PUSHES_IMAGE):
            text = f"builds an image that this deployment does not refer to, so it {NO_EFFECT} on its runs"
        else:
            text = "runs at each `prefect deploy`; nothing here does: run it before `meta-prefect deploy`"
        source.say(step.path, text)
