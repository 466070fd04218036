"""Components: what deployments depend on, such as work pools, workers, queues and limits.

A component is data, identified by kind and name: requested twice, it exists once; requested with different settings, it is a
conflict. Each kind also implements how it is read, compared and written through the :class:`~meta_prefect.interfaces.api.Api`
passed in. The set is open: a subclass of :class:`Component` in any package is deployed like the ones here.
"""

from meta_prefect.interfaces.components.automation import Automation, RunState
from meta_prefect.interfaces.components.automation_actions import Notify, RunDeployment
from meta_prefect.interfaces.components.component import Component, ComponentKey, Owned, Owner
from meta_prefect.interfaces.components.concurrency_limit import GlobalConcurrencyLimit
from meta_prefect.interfaces.components.owned_automation import OwnedAutomation
from meta_prefect.interfaces.components.project_owned import ProjectOwned
from meta_prefect.interfaces.components.saved_block import SavedBlock
from meta_prefect.interfaces.components.variable import Variable
from meta_prefect.interfaces.components.work_pool import OWNERSHIP_MARK, WorkerPool, is_ours, template_of
from meta_prefect.interfaces.components.work_queue import WorkQueue
from meta_prefect.interfaces.components.worker import Worker, fresh_workers, last_heard, needs_no_worker, none_online

__all__ = [
    "OWNERSHIP_MARK",
    "Automation",
    "Component",
    "ComponentKey",
    "GlobalConcurrencyLimit",
    "Notify",
    "Owned",
    "OwnedAutomation",
    "Owner",
    "ProjectOwned",
    "RunDeployment",
    "RunState",
    "SavedBlock",
    "Variable",
    "WorkQueue",
    "Worker",
    "WorkerPool",
    "fresh_workers",
    "is_ours",
    "last_heard",
    "needs_no_worker",
    "none_online",
    "template_of",
]
