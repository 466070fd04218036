"""Work pools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self
from urllib.parse import quote

from pydantic import Field

from meta_prefect.errors import ConfigurationError, ConflictError, nearest
from meta_prefect.interfaces.api import Api, Host
from meta_prefect.interfaces.components.component import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.json_diff import ABSENT, FieldChange, Record, differences_within, merged

OWNERSHIP_MARK = "x-meta-prefect"
"""A key in the variables schema of every pool's template created by a deploy: such a pool may be written again."""


class WorkerPool(Component):
    """A work pool. An existing pool that was not created by a deploy is used as is and never written.

    Attributes:
        name: If empty, the deployment's pool, or this host's own process pool.
        type: The worker type that serves it: ``process``, ``kubernetes``, ``docker``, ``ecs``. An existing push pool of the
            same kind (``ecs:push``) is accepted too.
        description: Text for the UI; None leaves it to the operator.
        concurrency_limit: How many runs at a time over all its queues; None leaves it to the operator.
        template: Additions to Prefect's job template for the type, merged key by key. The rest of the template is not
            compared.
        defaults: Further settings of the job template, from the deployment's `pool_defaults`. A pool that is not ours must
            already have them.
    """

    kind: ClassVar[str] = "work pool"

    type: str = "process"
    description: str | None = None
    concurrency_limit: int | None = Field(default=None, ge=0)
    template: Record = Field(default={})
    defaults: Record = Field(default={})

    def __hash__(self) -> int:
        return super().__hash__()

    def completed(self, deployment: Deployment, host: Host) -> Self:
        """Fill in the name if empty, and the defaults for the deployment's pool."""
        name = self.name or deployment.work_pool_name or host.pool_name()
        asked = deployment.pool_defaults if name == deployment.work_pool_name else {}
        return self.model_copy(update={"name": name, "defaults": merged(self.defaults, asked)})

    @property
    def additions(self) -> Record:
        """Everything it adds to Prefect's job template."""
        return merged(self.template, self.defaults)

    async def read(self, api: Api) -> Record | None:
        """Read the pool."""
        return await api.get(f"/work_pools/{quote(self.name)}")

    def _wanted(self) -> Record:
        wanted: Record = {"type": self.type}
        if self.additions:
            wanted["base_job_template"] = self.additions
        if self.description is not None:
            wanted["description"] = self.description
        if self.concurrency_limit is not None:
            wanted["concurrency_limit"] = self.concurrency_limit
        return wanted

    def _template_in_words(self) -> Record:
        """Abbreviate a new pool's template for the plan: in full it would hide everything else."""
        added = len(self.template.get("variables", {}).get("properties", {}))
        also = f", with {added} variable{'s' * (added > 1)} added" if added else ""
        defaults = {"defaults": self.defaults} if self.defaults else {}
        return {"base_job_template": f"Prefect's own for {self.type}{also}", **defaults} if also or defaults else {}

    def compare(self, live: Record | None) -> Iterable[FieldChange]:
        """Compare the fields that are set and, in the template, this component's additions."""
        if live is None:
            return differences_within(ABSENT, {**self._wanted(), **self._template_in_words()})
        if live["type"] not in (self.type, f"{self.type}:push"):
            raise ConflictError(
                f"the live pool is of type {live['type']!r}, the recipe wants {self.type!r}; a pool cannot change its type",
                where=str(self),
                hint="Choose another pool name, or a recipe for pools of that type.",
            )
        wanted = {**self._wanted(), "type": live["type"]}
        if is_ours(live):
            return tuple(differences_within(live, wanted))
        # Additions to the template are validated where they are used: job variables are checked against them.
        wanted.pop("base_job_template", None)
        if self.defaults:
            wanted["base_job_template"] = self.defaults
        if changes := tuple(differences_within(live, wanted)):
            asked = ", ".join(f"{change.path} {change.after!r} (it is {change.before!r})" for change in changes)
            raise ConflictError(
                f"Meta-Prefect did not create this pool and will not change it, but the recipe asks for {asked}",
                where=str(self),
                hint="Change the pool by hand, leave that to its owner, or choose another pool name.",
            )
        return ()

    async def write(self, api: Api, live: Record | None) -> None:
        """Create the pool with Prefect's template and our additions, or send the differences."""
        template = await self.template_to_be(api, live)
        if live is None:
            mark: Record = {"variables": {OWNERSHIP_MARK: {"created_by": "meta-prefect"}}}
            body = {"name": self.name, **self._wanted(), "base_job_template": merged(template, mark)}
            await api.post("/work_pools/", body)
            return
        body = {key: value for key, value in self._wanted().items() if key != "type"}
        if self.additions:
            body["base_job_template"] = template
        await api.patch(f"/work_pools/{quote(self.name)}", body)

    async def template_to_be(self, api: Api, live: Record | None) -> Record:
        """Return the job template that the pool will have.

        A pool without a template stores ``{}``, which disables all checks of job variables; ours always get one.


        Raises:
            ConflictError: A default refers to a variable that the template does not have.
        """
        if live is not None and not is_ours(live):
            return await template_of(api, live)
        own: Record = (live or {}).get("base_job_template") or await api.base_job_template(self.type)
        known = _variables(merged(own, self.template))
        for name, said in _variables(self.defaults).items():
            if name not in known and said.keys() == {"default"}:
                raise ConflictError(
                    f"its template has no variable {name!r} that could have a default",
                    where=str(self),
                    hint=nearest(name, known),
                )
        return self.with_additions(own)

    def with_additions(self, own: Record) -> Record:
        """Return a template with this component's additions."""
        return merged(own, self.additions)


def _variables(template: Record) -> dict[str, Record]:
    variables: Record = template.get("variables") or {}
    return variables.get("properties") or {}


def is_ours(live: Record) -> bool:
    """Return whether a deploy created the pool, so that it may be written again."""
    template: Record = live.get("base_job_template") or {}
    variables: Record = template.get("variables") or {}
    return OWNERSHIP_MARK in variables


async def template_of(api: Api, live: Record) -> Record:
    """Return the job template of a pool managed by someone else.

    A pool without one gets its type's template from the first worker that serves it. Empty if Prefect does not know the type
    either.
    """
    if own := live.get("base_job_template"):
        return own
    try:
        return await api.base_job_template(live["type"])
    except ConfigurationError:
        return {}
