"""The recipe for flows that carry their builders in code and name no recipe."""

from __future__ import annotations

from meta_prefect.implementations.metadata import namer
from meta_prefect.interfaces.flow_builder_interface import Chain, FlowBuilderInterface
from meta_prefect.recipes import recipe


@recipe
def decorated_flow_deployer(name: str | None = None, env: str | None = None) -> FlowBuilderInterface:
    """Deploy flows with nothing but the builders that they carry.

    Args:
        name: What the deployment is for; left empty, one of the flow's builders must say.
        env: Pins the environment; left empty, it is the one that is deployed to.
    """
    del env
    return Chain() if name is None else Chain(namer(name=name))
