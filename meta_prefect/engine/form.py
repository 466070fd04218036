"""Parameters shared by the deployer's flows, as shown in their run forms."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

OnErrorPolicy = Literal["stop", "keep-going", "atomic"]

ProjectPath = Annotated[str, Field(title="Project", description="The project's folder, or a file in it.")]
EnvironmentName = Annotated[
    str | None, Field(title="Environment", description="Left empty: META_PREFECT__ENV, else dev.")
]
Revision = Annotated[
    str | None,
    Field(
        title="Branch or commit",
        description="A branch, a tag, or a commit's hash; left empty, the one that the deployer was set up with.",
    ),
]
Names = Annotated[
    list[str],
    Field(title="Flows or deployments", description="Only these: `flow` or `flow/deployment`; left empty, all."),
]
Patterns = Annotated[
    list[str], Field(title="Patterns", description="Only what matches one of these: `etl-*`, `*/nightly-*`.")
]
Tags = Annotated[
    list[str], Field(title="Tags", description="Further tags for every deployment, in place of META_PREFECT__TAGS.")
]
Version = Annotated[
    str | None, Field(title="Version", description="The version to set; left empty, the recipe says it.")
]
DryRun = Annotated[bool, Field(title="Dry run", description="Plan, and write nothing.")]
OnError = Annotated[
    OnErrorPolicy,
    Field(
        title="On errors",
        description="`stop`: nothing is written while anything is wrong. `keep-going`: deploy what is sound. "
        "`atomic`: once something cannot be written, put back what has been written.",
    ),
]
OnlyChanged = Annotated[
    bool,
    Field(title="Only changed", description="Leave alone what differs in nothing but a version that counts deploys."),
]
Bump = Annotated[
    bool,
    Field(
        title="Count at any price",
        description="Let a version that counts deploys go up even where nothing else differs and Prefect then creates the "
        "scheduled runs anew.",
    ),
]
Adopt = Annotated[bool, Field(title="Adopt", description="Take over deployments of the same name that nobody manages.")]
LocalCode = Annotated[
    bool,
    Field(
        title="Local code",
        description="Let runs start in a folder of this host even where a deployer has deployed them from Git.",
    ),
]
NewEnvironment = Annotated[
    bool,
    Field(title="New environment", description="The environment is a new one, though nearly the name of another."),
]
TakenDown = Annotated[str, Field(title="Environment", description="The environment that is taken down.")]
Expires = Annotated[
    str | None,
    Field(
        title="Expires",
        description="`3d`: an environment of its own that is taken down after that time; what is created begins paused.",
    ),
]
Prune = Annotated[
    bool,
    Field(title="Prune", description="Delete this project's deployments that are no longer in it, after all else."),
]
MaxDeletes = Annotated[
    int | None,
    Field(title="Most deletions", ge=0, description="Refuse to prune more; left empty, a fifth, and at least 3."),
]
Force = Annotated[bool, Field(title="Force", description="Prune without waiting for runs that are under way.")]
PlanRun = Annotated[
    str | None,
    Field(title="Plan", description="The run whose recorded plan is applied, exactly as it is, or not at all."),
]
