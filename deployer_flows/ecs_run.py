"""The recipe for flows that run as tasks on Amazon ECS."""

from __future__ import annotations

from meta_prefect.implementations.code import ImageBuild
from meta_prefect.implementations.code.built_image import image_to_build
from meta_prefect.implementations.common import CommonVariables
from meta_prefect.implementations.infra import Network, ecs
from meta_prefect.implementations.infra.containers import Environment
from meta_prefect.implementations.infra.ecs_tasks import RoleArn, SecretArns
from meta_prefect.implementations.infra.images import ImageReference
from meta_prefect.implementations.infra.quantities import Cpu, Memory
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import recipe


@recipe
def ecs_run_deployer(
    image: ImageReference | None = None,
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
    *,
    common: CommonVariables,
) -> FlowBuilderInterface:
    """Deploy flows that run as Fargate tasks on ECS, without scheduled runs on US federal holidays.

    Unless its variables say otherwise, the deployment is called ``<name>-<env>`` and counts its versions: each deploy is the next
    integer. It is tagged ``env=<env>`` and with META_PREFECT__TAGS. Its code is in the image, in the folder in which the image
    starts, unless a builder on the flow brings it from elsewhere. Its schedule is active in ``prod`` only. A worker of the pool
    runs elsewhere; none is started here.

    Args:
        image: The image that runs, with a tag or digest in ``prod``; left empty, Prefect's own.
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
        common: The variables that all recipes have.
    """
    builders: FlowBuilderInterface = ecs(
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
    if build is not None:
        builders = image_to_build(image, build) | builders
    return common.around(builders)
