"""Adapts the job variables of deployments to the templates of their work pools."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence

from meta_prefect.engine.resolve import Draft
from meta_prefect.errors import ConfigurationError, ConflictError, nearest
from meta_prefect.implementations.infra.environment import fitted
from meta_prefect.interfaces.components import Component, WorkerPool, template_of
from meta_prefect.interfaces.json_diff import Record
from meta_prefect.plan.checks import check_job_variables
from meta_prefect.plan.deployment_record import LiveDeployment
from meta_prefect.server import Reader


async def fit_to_pools(
    drafts: Sequence[Draft],
    pools: Sequence[tuple[WorkerPool, Record | None]],
    live: Mapping[str, LiveDeployment],
    server: Reader,
) -> None:
    """Adapt each deployment's job variables to the future template of its pool, and validate them.

    Args:
        drafts: The deployments; problems become their errors.
        pools: The required pools with their live state.
        live: The live deployments by name.
        server: The server to read from.
    """
    additions = {pool.name: pool.template for pool, _ in pools}
    templates: dict[str, Record | None] = {}
    for pool, found in pools:
        try:
            templates[pool.name] = await pool.template_to_be(server, found)
        except ConflictError as error:
            refuse_needing(pool, drafts, error)
        except ConfigurationError as error:
            if not server.is_empty:  # the server may know more types than this host
                refuse_needing(pool, drafts, error.is_about("pool_type", value=pool.type))
    sound = [draft for draft in drafts if not draft.errors]
    if not server.is_empty:
        others = list(dict.fromkeys(name for one in sound if (name := _pool_of(one)) not in templates))
        templates.update(
            zip(others, await asyncio.gather(*(_own_template(name, server) for name in others)), strict=True)
        )
    for draft in sound:
        name = _pool_of(draft)
        if name not in templates:
            continue
        if (template := templates[name]) is None:
            draft.refuse(await _no_such_pool(draft, name, server))
            continue
        _fit(draft, template, additions.get(name, {}), live.get(draft.deployment.full_name))
        for error in check_job_variables(draft.deployment, template, additions.get(name, {})):
            draft.refuse(error)


def _pool_of(draft: Draft) -> str:
    return draft.deployment.work_pool_name or ""


async def _own_template(name: str, server: Reader) -> Record | None:
    """Return the template of a pool that no deployment requires as a component; None if there is no such pool."""
    found = await WorkerPool(name=name).read(server)
    return None if found is None else await template_of(server, found)


def _fit(draft: Draft, template: Record, additions: Record, live: LiveDeployment | None) -> None:
    """Choose how META_PREFECT__ENV reaches the runs, and note if it cannot."""
    deployment = draft.deployment.private_copy()
    is_there = live is not None and live.record["work_pool_name"] == deployment.work_pool_name
    stored: Record = live.record["job_variables"] if live is not None and is_there else {}
    deployment.job_variables, unseen = fitted(deployment.job_variables, template, additions, stored)
    draft.deployment = deployment
    if unseen:
        draft.remarks = (
            f"runs will not see {' and '.join(unseen)}: the template of work pool {deployment.work_pool_name!r} has neither a "
            "variable for it nor `env`",
        )


def refuse_needing(component: Component, drafts: Sequence[Draft], error: ConfigurationError) -> None:
    """Record a component's error once, for the first deployment that requires it; for a pool, the first that names it."""
    needing = [draft for draft in drafts if component.key in {needed.key for needed in draft.components}]
    if isinstance(component, WorkerPool) and needing and (place := needing[0].place_of(error)):
        error.asked_for_at(place)
    for draft in needing:
        draft.errors.append(error)


async def _no_such_pool(draft: Draft, name: str, server: Reader) -> ConfigurationError:
    """Build the error that lists the existing pools."""
    pools: list[Record] = await server.post("/work_pools/filter", {"limit": 200})
    return ConfigurationError(
        f"there is no work pool {name!r}, and the recipe does not say of what type to make one",
        where=f"deployment {draft.deployment.full_name}",
        hint=f"{nearest(name, [pool['name'] for pool in pools])} Create it with `prefect work-pool create {shlex.quote(name)} "
        "--type …`, or say its type (`pool_type`), and a deploy does.".strip(),
    ).is_about("work_pool", value=name)
