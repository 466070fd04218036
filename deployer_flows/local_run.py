"""The recipe for flows that run on the deploying host."""

from __future__ import annotations

from meta_prefect.implementations.common import CommonVariables
from meta_prefect.implementations.infra import local_process
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import recipe


@recipe
def local_run_deployer(common: CommonVariables) -> FlowBuilderInterface:
    """Deploy flows that run as processes on this host, without runs on US federal holidays.

    Unless its variables say otherwise, the deployment is called ``<name>-<env>`` and counts its versions: each deploy is the next
    integer. It is tagged ``env=<env>`` and with META_PREFECT__TAGS. It runs from the project's folder, in this host's own process
    work pool; a worker is started if none is alive. Its schedule is active in ``prod`` only.

    Args:
        common: The variables that all recipes have.
    """
    return common.around(local_process())
