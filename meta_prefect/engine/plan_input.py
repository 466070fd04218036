"""The input of a plan: which deployments, in which environment, with which options."""

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
from meta_prefect.interfaces.times import read_length
from meta_prefect.plan.saved_plan import DeployOptions, SavedPlan
from meta_prefect.project import Enforcement, Project


@dataclass(frozen=True, eq=False)
class PlanInput:
    """The input of a plan.

    Args:
        project: The project.
        context: The deploy.
        selection: Which deployments are selected.
        requested: The project's requests.
        asked: The options of the deploy.
        flows: The project's flows and modules: no file is executed twice in one deploy.
        earlier: The saved plan being applied or continued.
        expires: After what time the environment is destroyed; None if it is permanent.
        policies: The policies to check; None for none.
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
        """Whether the whole project is selected, so that deployments no longer in it can be detected."""
        return not self.selection and self.selection.file is None and self.project.chosen is None

    @property
    def is_expected(self) -> bool:
        """Whether the environment's name is unlikely to be a typo: the project describes it, or it is a preview."""
        return bool(self.project.environments) or self.expires is not None

    def at(self, now: datetime) -> PlanInput:
        """Return a copy with another time."""
        return replace(self, context=self.context.at(now))

    def automatically(self) -> PlanInput:
        """Return a copy that counts as not started by a person."""
        return replace(self, context=self.context.model_copy(update={"automatic": True}))

    def promoting(self, source: str, images: dict[str, str]) -> PlanInput:
        """Return a copy that promotes from another environment: with its images, none of which is built."""
        built = {"images": images, "build_images": False} if images else {}
        return replace(self, context=self.context.model_copy(update={"promoted_from": source, **built}))

    def completing(self, unfinished: SavedPlan) -> PlanInput:
        """Return a copy that continues an unfinished deploy."""
        return replace(self, context=unfinished.completed_by(self.context), earlier=unfinished)

    def following(self, plan: SavedPlan) -> PlanInput:
        """Return a copy that follows a saved plan, with its time and its versions."""
        return replace(self, context=plan.repeated_by(self.context), earlier=plan)

    def without_denials(self) -> PlanInput:
        """Return a copy without policies that deny: what is live is live, whatever they say."""
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
    """Collect a project's requests; loads its recipes, but runs no flow code.

    Args:
        project: The project.
        path: The given path; a Python file selects the flows in it.
        environment: The requested environment.
        asked: The other options.
        earlier: The saved plan being applied or continued, whose environment, options and fixed values apply.
        flows: The project's flows, if already read; None to start from source.
        enforced: Policies enforced whatever the project says.

    Raises:
        ValidationFailed: The options contradict each other.
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
    """Parse after what time an environment is to be destroyed; None for an empty text.

    Raises:
        ValidationFailed: The text is not a duration.
    """
    if not text:
        return None
    if (length := read_length(text)) is None:
        error = TargetError(f"{text!r} is no length of time", where="expires", hint="Write '12h', '3d' or '2w'.")
        raise ValidationFailed([error])
    return length


def _expires(project: Project, environment: str, asked: DeployOptions) -> timedelta | None:
    """Return an environment's lifetime; None if it is permanent.

    Raises:
        ValidationFailed: A lifetime was requested for a permanent environment.
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
    """Return why orphans cannot be determined for this selection; None if they can."""
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
