"""What Acme says of every deployment."""

from collections.abc import Iterable

from meta_prefect.implementations.builder import Builder
from meta_prefect.interfaces.components import Component
from meta_prefect.interfaces.deployment import Deployment

from acme_recipes.components import Budget


class on_account(Builder):  # noqa: N801 - used like a function
    """Names who pays for the runs of a deployment.

    Attributes:
        cost_center: The cost center, for example 4711.
        euros: What it may spend on one run.
    """

    cost_center: str
    euros: int = 10

    @property
    def requires(self) -> Iterable[Component]:
        """The cost center's budget."""
        return [Budget(name=f"budget_{self.cost_center}", euros=self.euros)]

    def update_deployment(self, deployment: Deployment) -> Deployment:
        """Tag the deployment, and with it each of its runs."""
        deployment.tags.append(f"cost-center={self.cost_center}")
        return deployment
