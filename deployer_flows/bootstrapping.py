"""``bootstrap``: deploys the deployer's own flows for a project, so that the project can be deployed from Prefect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from deployer_flows.deploying_itself import DEFAULT_RECIPE, deployer
from deployer_flows.whole_project import plan_and_apply, succeeded
from meta_prefect.engine.context import new_context
from meta_prefect.engine.drafts import DeploymentRequest
from meta_prefect.engine.observed import ending_in_words, mark_run
from meta_prefect.engine.plan_input import PlanInput
from meta_prefect.engine.policies import policies_in_force
from meta_prefect.engine.progress import progress
from meta_prefect.engine.requests import ProjectRequests, requests_of
from meta_prefect.engine.selection import Selection
from meta_prefect.engine.source import Fetch, fetch_observed
from meta_prefect.errors import ConfigurationError, ProjectFileError, TargetError, ValidationFailed
from meta_prefect.flows.catalog import ProjectFlows
from meta_prefect.hidden_values import secrets_in
from meta_prefect.implementations.code.project_source import ProjectSource
from meta_prefect.interfaces.markdown import code, escaped
from meta_prefect.interfaces.tags import DEPLOYERS, deployer_of, deployers_of
from meta_prefect.local.files import scratch_folder
from meta_prefect.local.host import LocalHost
from meta_prefect.plan.remarks import Remark
from meta_prefect.plan.saved_plan import DeployOptions
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.project import Enforcement, Environments, Project, read_project
from meta_prefect.recipes import Recipe
from meta_prefect.recipes.deploy_flow import deploy_flow
from meta_prefect.recipes.variables import check_variables
from meta_prefect.report import Report
from meta_prefect.server import PrefectServer, connect
from meta_prefect.state.lock import turn

_MAX_DELETES: Final = 1000

_MAX_SUGGESTED: Final = 200
"""The maximum number of flows offered in a form; others can be typed."""

_RUN_WHERE_THE_FOLDER_IS: Final = (DEFAULT_RECIPE, "process_run_deployer")
"""Recipes whose flows find the project's folder at run time: on this host, or at the same path on others."""


class DeployerSetup(BaseModel):
    """What a project's deployer is to be.

    Attributes:
        source: Where the project comes from.
        environments: The environments that may be chosen, the first one filled in.
        runs_by: The recipe that says where the deployer's flows run.
        variables: The variables of that recipe.
        redeploy: When the project is deployed again by itself, as a schedule; None for never.
        redeploy_in: The environments in which that happens; none means all of them.
        check: When drift is looked for, as a schedule; None for never.
        policy: What a drift that is found leads to.
        reap: When previews that have expired are taken down, as a schedule; None for never.
        watch: Whether drift is looked for after each change of a deployment too.
        timezone: The time zone of both schedules.
        enforcement: The policies to which it holds the project, whatever that says itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: ProjectSource = Field(title="Source")
    environments: Annotated[tuple[str, ...], Field(min_length=1)] = Field(default=("dev", "prod"), title="Environments")
    runs_by: str = Field(default=DEFAULT_RECIPE, title="Runs by")
    variables: dict[str, JsonValue] = Field(default={}, title="Variables")
    redeploy: str | None = Field(default=None, title="Redeploy")
    redeploy_in: tuple[str, ...] = Field(default=(), title="Redeploy in")
    check: str | None = Field(default=None, title="Check for drift")
    policy: str = Field(default="report", title="Policy", pattern="^(report|fail|heal)$")
    watch: bool = Field(default=False, title="Watch")
    reap: str | None = Field(default=None, title="Take down what has expired")
    timezone: str = Field(default="UTC", title="Time zone")
    enforcement: Enforcement = Field(default=Enforcement(), title="Enforcement")

    @field_validator("variables")
    @classmethod
    def _no_secrets(cls, variables: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Reject secrets, which would be visible in this run's parameters."""
        if found := secrets_in(variables):
            raise ValueError(
                f"{', '.join(found)}: a secret is named, never written down, as it would be stored in the parameters of a run: "
                "give a reference, such as '{{ prefect.blocks.secret.NAME }}'"
            )
        return variables


@deploy_flow(name="bootstrap", flow_run_name="bootstrap a deployer")
@ending_in_words
async def bootstrap(
    setup: Annotated[DeployerSetup, Field(title="Setup")],
    dry_run: Annotated[bool, Field(title="Dry run", description="Plan, and write nothing.")] = False,
    remove: Annotated[bool, Field(title="Remove", description="Delete the deployer instead.")] = False,
) -> Report:
    """Deploy the flows of the deployer for one project, or remove them; what is as wanted already is not touched.

    Raises:
        ValidationFailed: Something is wrong with the project or the setup; nothing was written.
        DeployFailed: Some deployments could not be written; it carries the report.
    """
    with scratch_folder() as scratch:
        async with connect(LocalHost()) as server:
            project = read_project(await _folder(setup.source, scratch), required=False)
            does = "remove" if remove else "plan" if dry_run else "bootstrap"
            await mark_run(project.name, [DEPLOYERS], server, name=f"{does} the deployer of {project.name}")
            inputs = _inputs(project, setup, await _replaced(project, server), remove=remove)
            taking_turns = turn(server, inputs.project.name, DEPLOYERS, waiting=progress().wait)
            async with nullcontext() if dry_run else taking_turns:
                report = await plan_and_apply(inputs, None, server, dry_run=dry_run, on_error="stop", force=remove)
    return succeeded(report)


async def _replaced(project: Project, server: PrefectServer) -> str | None:
    """Return the former project name that still has a deployer; None if there is none."""
    for former in project.renamed_from:
        if await server.read_owned((deployer_of(former),), DEPLOYERS):
            return former
    return None


async def _folder(source: ProjectSource, scratch: Path) -> Path:
    if source.folder is not None:
        return Path(source.folder)
    return await fetch_observed(whole(Fetch(source, None, scratch)))


def _inputs(project: Project, setup: DeployerSetup, replaced: str | None, *, remove: bool) -> PlanInput:
    """Build the input that treats the deployer as a project whose deployments are the deployer's flows.

    Deployments of a former name's deployer that are not replaced by this one are pruned, like others no longer needed.

    Raises:
        ValidationFailed: The setup is invalid.
    """
    if not project.name_is_stable:
        raise ValidationFailed([_unstable(project)])
    try:
        for name in setup.environments:
            project.environments.check(name)
    except ConfigurationError as error:
        raise ValidationFailed([error]) from None
    context = new_context(project.root, deployers_of(project.names), environment=DEPLOYERS, next_versions=False)
    # META_PREFECT__VERSION and META_PREFECT__TAGS apply only to the project's deployments.
    context = context.model_copy(update={"version": None, "tags": (), "origin": None})
    flows = ProjectFlows(project.root, from_source=True)
    if not remove:
        _check_enforcement(setup.enforcement, project, flows, context.now)
    used = _Used((), (), ()) if remove else _Used.by(project, flows, setup.environments)
    requests = () if remove else tuple(_requests(project, setup, used, replaced))
    itself = project.model_copy(
        update={
            "name": context.project,
            "renamed_from": context.renamed_from,
            "environments": Environments(),
            "entries": (),
            "policies": (),
            "exempt": (),
            "included": (),
            "owner": None,
        },
    )
    asked = DeployOptions(only_changed=True, prune=True, max_deletes=_MAX_DELETES)
    remarks = [*used.left_out]
    if replaced is not None:
        becomes = "removed" if remove else "replaced by this one"
        remarks.append(f"the deployer of {replaced!r} is {becomes}, with its automations")
    return PlanInput(
        itself, context, Selection(), ProjectRequests(requests, (), tuple(map(Remark, remarks)), ()), asked, flows
    )


def _check_enforcement(enforcement: Enforcement, project: Project, flows: ProjectFlows, now: datetime) -> None:
    """Check that the deployer will find the policies it must enforce.

    Raises:
        ValidationFailed: A policy does not exist here, or cannot be enforced.
    """
    alone = project.model_copy(update={"policies": (), "exempt": ()})
    if errors := policies_in_force(alone, flows, enforcement, now)[1]:
        raise ValidationFailed(errors)


def _unstable(project: Project) -> ProjectFileError:
    return ProjectFileError(
        f"the project is named {project.name!r} after its folder, so that another folder of that name would have the same "
        "deployer; such a project gets none",
        where=project.file.name,
        hint=f"Write `project: {project.name}` into {project.file.name}.",
    )


def _requests(project: Project, setup: DeployerSetup, used: _Used, replaced: str | None) -> Iterator[DeploymentRequest]:
    """Yield one entry of the recipe `deployer` for each flow of the deployer.

    Raises:
        ValidationFailed: A setting is invalid.
    """
    if setup.source.folder is not None and setup.runs_by not in _RUN_WHERE_THE_FOLDER_IS:
        raise ValidationFailed(
            [
                TargetError(
                    f"{setup.runs_by} may run the deployer on another host, where the folder {setup.source.folder} is not",
                    where="bootstrap",
                    hint="Give the project's repository: --repository https://…",
                )
            ]
        )
    entries = {**_operations(project, setup, used), **_recipes(project, setup, used)}
    errors: list[ConfigurationError] = []
    for entrypoint, own in entries.items():
        common: dict[str, Any] = {
            "name": project.name,
            "source": setup.source,
            "runs_by": setup.runs_by,
            "variables": setup.variables,
        }
        if setup.enforcement:
            common["enforcement"] = setup.enforcement
        if replaced is not None:
            common["replaces"] = replaced
        variables = check_variables(deployer.variables_model, {**common, **own}, deployer.recipe_name, _place)
        if isinstance(variables, BaseModel):
            yield DeploymentRequest(deployer, entrypoint, variables, where=entrypoint)
        else:
            errors.extend(variables)
    if errors:
        raise ValidationFailed(errors)


def _operations(project: Project, setup: DeployerSetup, used: _Used) -> dict[str, dict[str, Any]]:
    """Return the settings of each flow that operates the whole project, by its entrypoint."""
    name = escaped(project.name)
    chosen: dict[str, Any] = {"environments": setup.environments}
    # A folder on this host has no branches to choose from.
    unused = () if setup.source.folder is None else ("revision",)
    path = {"hidden": unused} if project.included else {"hidden": ("path", *unused)}
    redeploys = _schedules(setup, setup.redeploy, "redeploy", {"only_changed": True, "on_error": "keep-going"})
    checks = _schedules(setup, setup.check, "check", {})
    watched = {"watched_flows": used.spellings, "watched_environments": setup.environments}
    return {
        "deployer_flows.whole_project.deploy_project": {
            **chosen,
            "about": f"Deploys **{name}**: all that its project file asks for, or a selection of it. Choose the environment "
            "and submit; a dry run only plans. What is on the server as wanted is not touched.",
            **({"suggestions": {"names": used.flows[:_MAX_SUGGESTED]}} if used.flows else {}),
            **path,
            "schedule": redeploys,
        },
        "deployer_flows.checking_drift.check_drift": {
            **chosen,
            "about": f"Looks for what somebody has changed or deleted by hand since **{name}** was last deployed, and "
            "reports it, lets this run fail, or deploys it again.",
            "hidden": ("path", "environments"),
            "parameters": {"policy": setup.policy},
            "schedule": checks,
            **(watched if setup.watch else {}),
        },
        "deployer_flows.pruning.prune": {
            **chosen,
            "about": f"Deletes deployments of **{name}** that are no longer in its project file. A dry run only says which.",
            "hidden": ("path", *unused),
        },
        **_reaper(project, setup, unused),
        **_promoter(project, setup),
        "deployer_flows.rolling_back.rollback": {
            "about": f"Makes a deployment of **{name}** what it was before its last deploy, or at a version. A dry run says "
            "what that would change, and leaves a page of all versions.",
            "hidden": ("path",),
        },
        "deployer_flows.holding.hold": {
            "about": f"Leaves a deployment of **{name}** alone until a time or until it is released: no deploy, heal or "
            "prune changes it meanwhile. A switch releases it.",
            "hidden": ("path",),
        },
    }


def _reaper(project: Project, setup: DeployerSetup, unused: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the flow that destroys expired previews, if the project has preview environments."""
    if setup.reap is None:
        return {}
    kind = "rrule" if "FREQ=" in setup.reap.upper() else "cron"
    return {
        "deployer_flows.reaping.reap_previews": {
            "about": f"Takes down the previews of **{escaped(project.name)}** that have expired.",
            "hidden": ("path", *unused),
            "schedule": [{kind: setup.reap, "timezone": setup.timezone, "slug": "reap"}],
        }
    }


def _promoter(project: Project, setup: DeployerSetup) -> dict[str, dict[str, Any]]:
    """Return the flow that promotes between environments, if the project has several."""
    if len(project.environments.names) <= 1:
        return {}
    return {
        "deployer_flows.promoting.promote": {
            "environments": setup.environments,
            "about": f"Deploys to one environment of **{escaped(project.name)}** what is live in another, from the very commit.",
            "hidden": ("path", "promotion"),
        }
    }


def _recipes(project: Project, setup: DeployerSetup, used: _Used) -> dict[str, dict[str, Any]]:
    """Return the recipes the project uses: each one's flow deploys the entries typed into its form."""
    return {
        recipe.entrypoint: {
            "environments": setup.environments,
            "about": f"Deploys flows of **{escaped(project.name)}** that are entered in its form, without the project file, by "
            f"{code(recipe.recipe_name)}: {escaped(recipe.summary)}",
            "hidden": ("context",),
            "fetch": True,
        }
        for recipe in used.recipes
    }


def _place(*keys: str | int) -> str:
    return f"bootstrap: {'.'.join(map(str, keys[1:]))}" if keys[1:] else "bootstrap"


def _schedules(
    setup: DeployerSetup, rule: str | None, slug: str, parameters: dict[str, JsonValue]
) -> list[dict[str, Any]]:
    """Return one schedule per environment: they run at the same times, and do not block each other."""
    if rule is None:
        return []
    kind = "rrule" if "FREQ=" in rule.upper() else "cron"
    environments = setup.redeploy_in if slug == "redeploy" and setup.redeploy_in else setup.environments
    if unknown := set(environments) - set(setup.environments):
        hint = f"Choose among {', '.join(setup.environments)}."
        raise ValidationFailed([TargetError(f"{sorted(unknown)} cannot be chosen", where="redeploy in", hint=hint)])
    return [
        {
            kind: rule,
            "timezone": setup.timezone,
            "slug": f"{slug}-{environment}",
            "parameters": {"environment": environment, **parameters},
        }
        for environment in environments
    ]


@dataclass(frozen=True, slots=True)
class _Used:
    """What a project currently deploys, in any environment.

    Attributes:
        flows: The names of its flows.
        recipes: The recipes it uses.
        left_out: Errors of deployments whose recipes are unknown.
    """

    flows: tuple[str, ...]
    recipes: tuple[Recipe, ...]
    left_out: tuple[str, ...]

    @classmethod
    def by(cls, project: Project, flows_of_project: ProjectFlows, environments: Iterable[str]) -> _Used:
        """Determine what a project uses in some environments."""
        flows: dict[str, None] = {}
        recipes: dict[str, Recipe] = {}
        errors: dict[str, None] = {}
        whole = flows_of_project.of(project.root).modules
        for environment in environments:
            found = requests_of(project, flows_of_project, Selection(), environment, environment_asked=True)
            flows |= dict.fromkeys(found.flows)
            recipes |= {
                request.recipe.entrypoint: request.recipe
                for request in found.requests
                # a part's own recipe cannot be imported from the project's folder, where the deployer starts
                if flows_of_project.modules_around(request.recipe.function, whole).root == whole.root
            }
            errors |= {f"no deployer for what is wrong in the project: {error}": None for error in found.errors}
        return cls(tuple(flows), tuple(recipes.values()), tuple(errors))

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names in both spellings accepted in the project file."""
        return tuple(sorted({spelling for name in self.flows for spelling in (name, name.replace("_", "-"))}))
