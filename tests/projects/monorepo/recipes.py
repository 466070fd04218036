"""The recipe of all teams."""

from meta_prefect import recipe
from meta_prefect.implementations.infra import local_process
from meta_prefect.implementations.metadata import namer, tags_resolver, versioneer
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface


@recipe
def team_deployer(name: str) -> FlowBuilderInterface:
    """Deploy as all teams do.

    Args:
        name: What the deployment is for.
    """
    return namer(name=name) | versioneer() | tags_resolver(tags=("monorepo",)) | local_process()
