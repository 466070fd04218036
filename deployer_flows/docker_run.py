"""The recipe for flows that run in Docker containers."""

from __future__ import annotations

from meta_prefect.implementations.code import ImageBuild
from meta_prefect.implementations.code.built_image import image_to_build
from meta_prefect.implementations.common import CommonVariables
from meta_prefect.implementations.infra import docker
from meta_prefect.implementations.infra.containers import Environment
from meta_prefect.implementations.infra.docker_volumes import Volumes
from meta_prefect.implementations.infra.images import ImageReference
from meta_prefect.implementations.infra.quantities import Cpu, Memory
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import recipe


@recipe
def docker_run_deployer(
    image: ImageReference,
    cpu: Cpu | None = None,
    memory: Memory | None = None,
    env_vars: Environment | None = None,
    networks: tuple[str, ...] = (),
    volumes: Volumes = (),
    build: ImageBuild | None = None,
    work_pool: str = "docker",
    *,
    common: CommonVariables,
) -> FlowBuilderInterface:
    """Deploy flows that run as Docker containers, without scheduled runs on US federal holidays.

    Unless its variables say otherwise, the deployment is called ``<name>-<env>`` and counts its versions: each deploy is the next
    integer. It is tagged ``env=<env>`` and with META_PREFECT__TAGS. Its code is in the image, in the folder in which the image
    starts, unless a builder on the flow brings it from elsewhere. Its schedule is active in ``prod`` only. A worker of the pool
    runs beside a Docker engine; none is started here.

    Args:
        image: The image that runs, with a tag or digest in ``prod``.
        cpu: CPUs that each run may use at most, such as 0.8 or 800m.
        memory: Memory that each run may use at most, such as 1536Mi; a plain number means gibibytes.
        env_vars: Environment variables of each run.
        networks: Docker networks that the container joins.
        volumes: Volumes and folders of the worker's host, as ``name-or-path:/path/in/the/container``,
            ``:ro`` after it to read only.
        build: How an image with the project's code is built and pushed at each deploy that changes it; ``image`` then has no
            tag. Left empty, no image is built.
        work_pool: The work pool that runs it.
        common: The variables that all recipes have.
    """
    builders: FlowBuilderInterface = docker(
        image=image if build is None else None,
        cpu=cpu,
        memory=memory,
        env=env_vars or {},
        networks=networks,
        volumes=volumes,
        work_pool=work_pool,
    )
    if build is not None:
        builders = image_to_build(image, build) | builders
    return common.around(builders)
