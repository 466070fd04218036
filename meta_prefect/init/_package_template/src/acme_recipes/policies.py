"""What Acme asks of every deployment; all of these are in force wherever this package is installed."""

from collections.abc import Iterator

from meta_prefect import policy
from meta_prefect.policies import FinishedDeployment, Violation


@policy
def cost_center_named(finished: FinishedDeployment) -> Iterator[Violation]:
    """Somebody pays for every deployment."""
    if not any(tag.startswith("cost-center=") for tag in finished.deployment.tags):
        yield Violation("it names no cost center", "tags", "Deploy it by a recipe that has `on_account(…)`.")
