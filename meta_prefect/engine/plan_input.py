"""What a deploy of a project is asked for: which deployments, in which environment, and how."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from meta_prefect.engine.context import new_context
from meta_prefect.engine.policies import PoliciesInForce, policies_in_force
from meta_prefect.engine.requests import ProjectRequests, requests_of
from meta_prefect.engine.selection import Selection, select_in
from meta_prefect.errors import ConfigurationError, ProjectFileError, TargetError, ValidationFailed
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.interfaces.context import DeployContext
from meta_prefect.interfaces.moments import read_length
from meta_prefect.plan.saved_plan import DeployOptions, SavedPlan
from meta_prefect.project import Enforcement, Project


@dataclass(frozen=True, eq=False)
class PlanInput:
    """What is to be planned.

    Args:
        project: The project.
        context: The deploy.
        selection: Which deployments are meant.
        requested: What the project asks for.
        asked: What the deploy was asked to do.
        flows: The project's flows, with its modules: no file is executed twice in one deploy.
        earlier: The plan that is applied or carried on.
        expires: After what time the environment is taken down; None for one that stays.
        policies: What the deployments are held against; None for nothing.
    """

    project: Project
    context: DeployContext
    selection: Selection
    requested: ProjectRequests
    asked: DeployOptions
    flows: ProjectFlows
    earlier: SavedPlan | None = None
    expires: timedelta | None = None
    policies: PoliciesInForce = field(default_factory=PoliciesInForce)

    @property
    def is_whole(self) -> bool:
        """Whether the whole project is meant, so that what it no longer asks for shows."""
        return not self.selection and self.selection.file is None and self.project.chosen is None

    @property
    def is_expected(self) -> bool:
        """Whether its environment is no slip of the keyboard: the project names it, or it comes and goes."""
        return bool(self.project.environments) or self.expires is not None

    def at(self, now: datetime) -> PlanInput:
        """The same order at another moment."""
        return replace(self, context=self.context.at(now))

    def automatically(self) -> PlanInput:
        """The same order as one that nobody has started."""
        return replace(self, context=self.context.model_copy(update={"automatic": True}))

    def promoting(self, source: str, images: dict[str, str]) -> PlanInput:
        """The same order as one that takes what is live in another environment: with its images, of which none is built."""
        built = {"images": images, "build_images": False} if images else {}
        return replace(self, context=self.context.model_copy(update={"promoted_from": source, **built}))

    def completing(self, unfinished: SavedPlan) -> PlanInput:
        """The same order as part of a deploy that did not finish."""
        return replace(self, context=unfinished.completed_by(self.context), earlier=unfinished)

    def following(self, plan: SavedPlan) -> PlanInput:
        """The same order as one that follows a plan: at its moment, with its versions."""
        return replace(self, context=plan.repeated_by(self.context), earlier=plan)

    def only_looking(self) -> PlanInput:
        """The same order without what policies deny: whatever they say, it is there already."""
        return replace(self, policies=self.policies.fixing)


def read_plan_input(
    project: Project,
    path: Path,
    environment: str | None,
    asked: DeployOptions,
    earlier: SavedPlan | None = None,
    *,
    flows: ProjectFlows | None = None,
    enforced: Enforcement | None = None,
) -> PlanInput:
    """List what a project asks for; loads its recipes, runs no flow's code.

    Args:
        project: The project.
        path: The path that was given; a Python file means the flows of that file.
        environment: The environment that was asked for.
        asked: What else was asked for.
        earlier: The plan that is applied or carried on: its environment, what it was asked and what it fixed hold.
        flows: The project's flows, where they have been looked at already; None begins with their source.
        enforced: The policies that hold whatever the project says.

    Raises:
        ValidationFailed: What was asked for does not go together.
    """
    if earlier is not None:
        _check_same(project, environment, earlier)
        environment, asked = earlier.environment, earlier.asked
    selection = select_in(project, path, asked.names, asked.select)
    if asked.prune and (error := refused_prune(project, selection)) is not None:
        raise ValidationFailed([error])
    context = new_context(
        project.root,
        project.names,
        called=project.environments.called,
        environment=environment,
        next_versions=not asked.only_changed,
        adopt=asked.adopt,
        bump=asked.bump,
    )
    try:
        project.environments.check(context.environment)
    except TargetError as error:
        raise ValidationFailed([error]) from None
    expires = _expires(project, context.environment, asked)
    described = project.environments.find(context.environment)
    smoke = described.says.smoke if described is not None else None
    context = context.model_copy(update={"preview": expires is not None, "smoke": smoke})
    said = {"tags": asked.tags, "version": asked.version}
    context = context.model_copy(update={key: value for key, value in said.items() if value})
    if earlier is not None:
        context = earlier.repeated_by(context)
    flows = flows or ProjectFlows(project.root, from_source=True)
    requested = requests_of(project, flows, selection, context.environment, environment_asked=environment is not None)
    policies, errors = policies_in_force(project, flows, enforced, context.now)
    requested = replace(requested, errors=(*requested.errors, *errors))
    return PlanInput(project, context, selection, requested, asked, flows, earlier, expires, policies)


def read_expiry(text: str | None) -> timedelta | None:
    """Read after what time an environment is to be taken down; an empty text says nothing.

    Raises:
        ValidationFailed: It is no length of time.
    """
    if not text:
        return None
    if (length := read_length(text)) is None:
        error = TargetError(f"{text!r} is no length of time", where="expires", hint="Write '12h', '3d' or '2w'.")
        raise ValidationFailed([error])
    return length


def _expires(project: Project, environment: str, asked: DeployOptions) -> timedelta | None:
    """For how long an environment is to be there; None for one that stays.

    Raises:
        ValidationFailed: It was asked for of one that stays.
    """
    described = project.environments.find(environment)
    if asked.expires is not None and described is not None and described.is_protected:
        message = f"{environment} is protected, and does not expire"
        hint = 'Previews have names of their own; describe them by a pattern, such as `"pr-*": {}`.'
        raise ValidationFailed([described.error(message, hint=hint)])
    return asked.expires or (described.says.expires if described is not None else None)


def _check_same(project: Project, environment: str | None, earlier: SavedPlan) -> None:
    pairs = (("project", project.name, earlier.project), ("environment", environment, earlier.environment))
    for what, now, then in pairs:
        if now not in (None, then):
            raise ValidationFailed(
                [
                    TargetError(
                        f"the plan of run {earlier.run_id} is for the {what} {then!r}, not for {now!r}",
                        hint="Make a plan for it with `meta-prefect plan`.",
                    )
                ]
            )


def refused_prune(project: Project, selection: Selection) -> ConfigurationError | None:
    """Why what is not asked for cannot be told from what is no longer there; None where it can."""
    if selection or selection.file is not None or project.chosen is not None:
        return TargetError(
            "pruning and a selection do not go together: what is not selected would look as if it were gone",
            where="prune",
            hint="Prune with a deploy of the whole project."
            if project.chosen is None
            else f"Prune with a deploy of the whole project, in {project.root}.",
        )
    if not project.name_is_stable:
        return ProjectFileError(
            f"the project is named {project.name!r} after its folder, so that another folder of that name would own the same "
            "deployments; such a project is not pruned",
            where=project.file.name,
            hint=f"Write `project: {project.name}` into {project.file.name}.",
        )
    return None
