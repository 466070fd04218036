"""What happens when runs of a deployment end: messages, and runs of other deployments."""

from meta_prefect.implementations.notification.automations import notify, then_run

__all__ = ["notify", "then_run"]
