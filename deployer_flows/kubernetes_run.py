"""The recipe for flows that run as Kubernetes jobs."""

from __future__ import annotations

from typing import Literal

from meta_prefect.implementations import notification
from meta_prefect.implementations.code import ImageBuild
from meta_prefect.implementations.code.built_image import image_to_build
from meta_prefect.implementations.common import CommonVariables
from meta_prefect.implementations.infra import ClusterWorker, Pod, kubernetes
from meta_prefect.implementations.infra.containers import Environment
from meta_prefect.implementations.infra.images import ImageReference
from meta_prefect.implementations.infra.quantities import Cpu, Memory, Seconds
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import recipe


@recipe
def kubernetes_run_deployer(
    image: ImageReference | None = None,
    cpu: Cpu | None = None,
    memory: Memory | None = None,
    namespace: str | None = None,
    service_account: str | None = None,
    env_vars: Environment | None = None,
    secrets: dict[str, str] | None = None,
    pod: Pod | None = None,
    time_to_live: Seconds | None = None,
    backoff_limit: int | None = None,
    active_deadline: Seconds | None = None,
    notify_stuck: notification.notify_stuck | None = None,
    build: ImageBuild | None = None,
    work_pool: str = "kubernetes",
    worker: Literal["find", "ensure"] = "find",
    worker_options: ClusterWorker | None = None,
    *,
    common: CommonVariables,
) -> FlowBuilderInterface:
    """Deploy flows that run as Kubernetes jobs, without scheduled runs on US federal holidays.

    Unless its variables say otherwise, the deployment is called ``<name>-<env>`` and counts its versions: each deploy is the next
    integer. It is tagged ``env=<env>`` and with META_PREFECT__TAGS. Its code is in the image, in the folder in which the image
    starts, unless a builder on the flow brings it from elsewhere. Its schedule is active in ``prod`` only. A worker of the pool
    runs in the cluster; it is looked for, or kept running there with ``worker: ensure``.

    Args:
        image: The image that runs, with a tag or digest in ``prod``; left empty, Prefect's own.
        cpu: CPUs of each run, such as 0.8 or 800m.
        memory: Memory of each run, such as 1536Mi; a plain number means gibibytes.
        namespace: The namespace of the jobs; left empty, the pool's.
        service_account: The service account of the pods; left empty, the namespace's own.
        env_vars: Environment variables of each run.
        secrets: Environment variables from Kubernetes Secrets, as ``secret-name/key``.
        pod: What else is to be said of the pods: labels, node_selector, tolerations, affinity, volumes, env_from_secrets,
            image_pull_secrets, security_context; and ``patch``, in Kubernetes' words.
        time_to_live: How long a finished job is kept, in seconds or as ``10 minutes``; left empty, the pool's default, a day.
        backoff_limit: How often Kubernetes starts a pod again that failed or was evicted; left empty, Prefect schedules the run
            of an evicted pod anew.
        active_deadline: The longest that a job may take, in seconds or as ``2 hours``, time to start included; then it is ended
            and its run has crashed.
        notify_stuck: The notification block that is told of runs that do not start, and after how long; left empty, none is.
        build: How an image with the project's code is built and pushed at each deploy that changes it; ``image`` then has no
            tag. Left empty, no image is built.
        work_pool: The work pool that runs it.
        worker: Whether a worker is only looked for, or applied to the kubeconfig's cluster where no other one serves the pool.
        worker_options: How that worker is to be: namespace, image, the address at which it reaches the Prefect API.
        common: The variables that all recipes have.
    """
    builders: FlowBuilderInterface = kubernetes(
        image=image if build is None else None,
        cpu=cpu,
        memory=memory,
        namespace=namespace,
        service_account=service_account,
        env=env_vars or {},
        secrets=secrets or {},
        time_to_live=time_to_live,
        backoff_limit=backoff_limit,
        active_deadline=active_deadline,
        **(pod or Pod()).arguments(),
        work_pool=work_pool,
        worker=(worker_options or ClusterWorker()) if worker == "ensure" else None,
    )
    if build is not None:
        builders = image_to_build(image, build) | builders
    if notify_stuck is not None:
        builders = builders | notify_stuck
    return common.around(builders)
