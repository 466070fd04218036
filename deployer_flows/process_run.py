"""The recipe for flows that run as processes in a shared work pool."""

from __future__ import annotations

from meta_prefect.implementations.common import CommonVariables
from meta_prefect.implementations.infra import process
from meta_prefect.implementations.infra.containers import Environment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import recipe


@recipe
def process_run_deployer(
    work_pool: str,
    env_vars: Environment | None = None,
    *,
    common: CommonVariables,
) -> FlowBuilderInterface:
    """Deploy flows that run as processes beside the workers of a shared pool, without scheduled runs on US federal holidays.

    Unless its variables say otherwise, the deployment is called ``<name>-<env>`` and counts its versions: each deploy is the next
    integer. It is tagged ``env=<env>`` and with META_PREFECT__TAGS. It runs from the project's folder, which the workers have in
    the same place as the host that deploys, unless a builder on the flow brings its code from elsewhere. Its schedule is active
    in ``prod`` only. Workers of the pool run elsewhere; none is started here.

    Args:
        work_pool: The work pool that runs it.
        env_vars: Environment variables of each run.
        common: The variables that all recipes have.
    """
    return common.around(process(work_pool=work_pool, env=env_vars or {}))
