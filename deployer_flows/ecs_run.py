"""The recipe for flows that run as tasks on ECS."""

from __future__ import annotations

from meta_prefect.implementations.code import ImageBuild
from meta_prefect.implementations.code.built_image import image_to_build
from meta_prefect.implementations.concurrency import run_limit
from meta_prefect.implementations.infra import Network, ecs
from meta_prefect.implementations.infra.containers import Environment
from meta_prefect.implementations.infra.ecs_tasks import RoleArn, SecretArns
from meta_prefect.implementations.infra.images import ImageReference
from meta_prefect.implementations.infra.quantities import Cpu, Memory
from meta_prefect.implementations.metadata import describer, namer, tags_resolver, versioneer
from meta_prefect.implementations.schedule import ScheduleVariable, scheduler
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import recipe


@recipe
def ecs_run_deployer(
    name: str,
    image: ImageReference | None = None,
    env: str | None = None,
    cpu: Cpu | None = None,
    memory: Memory | None = None,
    cluster: str | None = None,
    task_role: RoleArn | None = None,
    execution_role: RoleArn | None = None,
    network: Network | None = None,
    env_vars: Environment | None = None,
    secrets: SecretArns | None = None,
    logs: bool | None = None,
    build: ImageBuild | None = None,
    work_pool: str = "ecs",
    schedule: ScheduleVariable = None,
    unique: bool | None = None,
) -> FlowBuilderInterface:
    """Deploy flows that run as Fargate tasks on ECS, without scheduled runs on US federal holidays.

    The deployment is called ``<name>-<env>``, is tagged ``env=<env>`` and with META_PREFECT__TAGS, and counts its versions:
    each deploy is the next integer. Its code is in the image, in the folder in which the image starts, unless a builder on the
    flow brings it from elsewhere. Its schedule is active in ``prod`` only. A worker of the pool runs elsewhere; none is started
    here.

    Args:
        name: What the deployment is for, for example ``nightly``.
        image: The image that runs, with a tag or digest in ``prod``; left empty, Prefect's own.
        env: Pins the environment; left empty, it is the one that is deployed to.
        cpu: CPUs of each run: 0.25, 0.5, 1, 2, 4, 8 or 16.
        memory: Memory of each run, such as 2Gi; a plain number means gibibytes.
        cluster: Name or ARN of the cluster; left empty, the pool's.
        task_role: The ARN of the role that the flow acts as.
        execution_role: The ARN of the role that pulls the image, reads secrets and writes logs.
        network: Where the tasks are in the network; left empty, in the account's own VPC.
        env_vars: Environment variables of each run.
        secrets: Environment variables from Secrets Manager or Parameter Store, by ARN.
        logs: Whether the container's output goes to CloudWatch.
        build: How an image with the project's code is built and pushed at each deploy that changes it; ``image`` then has no
            tag. Left empty, no image is built.
        work_pool: The work pool that runs it.
        schedule: When it runs: an rrule, cron or interval with its timezone.
        unique: Whether only one run happens at a time, the next one waiting; left empty, a limit set in the UI stays.
    """
    builders = namer(name=name) | describer() | tags_resolver() | versioneer(strategy="increment")
    if build is not None:
        builders |= image_to_build(image, build)
    builders |= ecs(
        image=image if build is None else None,
        cpu=cpu,
        memory=memory,
        cluster=cluster,
        task_role=task_role,
        execution_role=execution_role,
        network=network,
        env=env_vars or {},
        secrets=secrets or {},
        logs=logs,
        work_pool=work_pool,
    )
    if schedule is not None:
        builders |= scheduler(schedule=schedule, holidays="US", active=env == "prod")
    if unique is not None:
        builders |= run_limit(limit=1 if unique else 0)
    return builders
