"""The recipe for flows that run in an existing work pool of any type."""

from __future__ import annotations

from meta_prefect.errors import ConfigurationError, RecipeError
from meta_prefect.implementations.code import ImageBuild, S3Place, s3_code
from meta_prefect.implementations.code.built_image import image_to_build
from meta_prefect.implementations.common import CommonVariables
from meta_prefect.implementations.infra import work_pool as in_pool
from meta_prefect.implementations.infra.images import ImageReference, check_pinned
from meta_prefect.implementations.run_settings.switches import Entrypoint
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import recipe


@recipe
def work_pool_deployer(
    work_pool: str,
    pool_type: str | None = None,
    image: ImageReference | None = None,
    build: ImageBuild | None = None,
    s3: S3Place | None = None,
    entrypoint: Entrypoint | None = None,
    *,
    common: CommonVariables,
) -> FlowBuilderInterface:
    """Deploy flows into a work pool that is there already, whatever its type, with everything that a `prefect.yaml` can say.

    Unless its variables say otherwise, the deployment is called ``<name>-<env>`` and counts its versions: each deploy is the next
    integer. It is tagged ``env=<env>`` and with META_PREFECT__TAGS. Its code is in the image, where there is one, else in the
    project's folder, unless ``pull`` or a builder on the flow brings it from elsewhere. Its schedule is active in ``prod`` only.
    The pool is never changed, and no worker of it is started here.

    Args:
        work_pool: The work pool that runs it.
        pool_type: The type of the pool, such as ``process`` or ``cloud-run``, for a pool that is created where it is not there.
        image: The image that runs, where the pool's template takes one; with a tag or digest in ``prod``.
        build: How an image with the project's code is built and pushed at each deploy that changes it; ``image`` then has no
            tag. Left empty, no image is built.
        s3: Where in an S3 store the project is uploaded at each deploy that changes it, and from where runs take it.
        entrypoint: Where runs find the flow, if not where the deploy found it.
        common: The variables that all recipes have.
    """
    # The job variables also determine whether runs have an image that contains the code.
    values = {**({} if image is None or build is not None else {"image": image}), **(common.job_variables or {})}
    _check_image(values.get("image"), common.env)
    builders: FlowBuilderInterface = in_pool(name=work_pool, type=pool_type, job_variables=values)
    if build is not None:
        builders = image_to_build(image, build) | builders
    if s3 is not None and common.code is not None:
        raise RecipeError("give either `code` or `s3`").is_about("code", value=common.code)
    if s3 is not None:
        builders = s3_code(**dict(s3)) | builders
    return common.around(builders, entrypoint=entrypoint)


def _check_image(image: object, environment: str | None) -> None:
    try:
        check_pinned(image if isinstance(image, str) else None, environment or "")
    except ConfigurationError as error:
        raise RecipeError(error.message, hint=error.hint).is_about("image", value=image) from None
