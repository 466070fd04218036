"""Builders that react to finished runs or changed deployments, with messages or runs of other deployments."""

from meta_prefect.implementations.notification.automations import notify, then_run
from meta_prefect.implementations.notification.overdue import notify_overdue
from meta_prefect.implementations.notification.stuck import notify_stuck
from meta_prefect.implementations.notification.triggers import run_triggers
from meta_prefect.implementations.notification.watching import watch_deployments

__all__ = ["notify", "notify_overdue", "notify_stuck", "run_triggers", "then_run", "watch_deployments"]
