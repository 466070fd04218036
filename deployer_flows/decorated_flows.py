"""The recipe for flows that carry builders in code but no recipe."""

from __future__ import annotations

from meta_prefect.interfaces.flow_builder_interface import Chain, FlowBuilderInterface
from meta_prefect.recipes import recipe


@recipe
def decorated_flow_deployer(env: str | None = None) -> FlowBuilderInterface:
    """Deploy flows with nothing but the builders that they carry.

    A deployment that no builder names is called after the module-level name that its flow stands under:
    ``nightly = local_process()(etl)`` is ``nightly-<env>``, and a flow under its own function's name ``default-<env>``.

    Args:
        env: Pins the environment; left empty, it is the one that is deployed to.
    """
    del env
    return Chain()
