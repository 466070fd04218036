"""How this team deploys."""

from collections.abc import Iterable

from meta_prefect import recipe
from meta_prefect.implementations.infra import local_process
from meta_prefect.implementations.metadata import describer, namer, tags_resolver, versioneer
from meta_prefect.implementations.schedule import scheduler
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from warehouse.components import Note


class OwnedBy(FlowBuilderInterface):
    """Tags a deployment with the team that owns it, and keeps a note of every deploy of it."""

    def __init__(self, team: str) -> None:
        self.team = team

    @property
    def requires(self) -> Iterable[Component]:
        return {Note(name=f"owner_{self.team}", value=self.team)}

    def update_deployment(self, deployment: Deployment) -> Deployment:
        deployment.tags.append(f"owner={self.team}")
        return deployment

    def after_deployment(self, deployment: Deployment) -> None:
        from prefect import get_run_logger

        get_run_logger().info("%s (%s) belongs to %s", deployment.full_name, deployment.id, self.team)


@recipe
def nightly(hour: int, owner: str) -> FlowBuilderInterface:
    """Deploy flows that run once a night.

    Args:
        hour: The hour of the day, 0 to 23, in New York.
        owner: The team to ask.
    """
    return (
        namer(name="nightly")
        | describer()
        | versioneer(strategy="content")
        | tags_resolver(tags=("nightly",))
        | local_process()
        | scheduler(schedule={"cron": f"0 {hour} * * *", "timezone": "America/New_York"}, holidays="NYSE", active=False)
        | OwnedBy(owner)
    )
