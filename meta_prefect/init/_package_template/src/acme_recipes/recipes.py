"""How Acme deploys."""

from meta_prefect import recipe
from meta_prefect.implementations.concurrency import run_limit
from meta_prefect.implementations.infra import local_process
from meta_prefect.implementations.metadata import describer, namer, tags_resolver, versioneer
from meta_prefect.implementations.schedule import scheduler
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface

from acme_recipes.builders import on_account


@recipe
def acme_nightly(
    hour: int,
    cost_center: str,
    name: str = "nightly",
    euros: int = 10,
) -> FlowBuilderInterface:
    """Deploy flows that run once a night, one run at a time.

    Args:
        hour: The hour of the day, 0 to 23, in Berlin.
        cost_center: Who pays, for example 4711.
        name: What the deployment is for.
        euros: What one run may cost.
    """
    return (
        namer(name=name)
        | describer()
        | versioneer()
        | tags_resolver()
        | local_process()  # or kubernetes(…), ecs(…), docker(…), work_pool(…)
        | run_limit(limit=1)
        | scheduler.model_validate(
            {"schedule": {"cron": f"0 {hour} * * *", "timezone": "Europe/Berlin"}, "holidays": "DE"}
        )
        | on_account(cost_center=cost_center, euros=euros)
    )
