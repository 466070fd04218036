"""The recipe for flows that run as processes of a pool that a team shares."""

from __future__ import annotations

from meta_prefect.implementations.concurrency import run_limit
from meta_prefect.implementations.infra import process
from meta_prefect.implementations.infra.containers import Environment
from meta_prefect.implementations.metadata import describer, namer, tags_resolver, versioneer
from meta_prefect.implementations.schedule import ScheduleVariable, scheduler
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import recipe


@recipe
def process_run_deployer(
    name: str,
    work_pool: str,
    env: str | None = None,
    env_vars: Environment | None = None,
    schedule: ScheduleVariable = None,
    unique: bool | None = None,
) -> FlowBuilderInterface:
    """Deploy flows that run as processes beside the workers of a shared pool, without scheduled runs on US federal holidays.

    The deployment is called ``<name>-<env>``, is tagged ``env=<env>`` and with META_PREFECT__TAGS, and counts its versions:
    each deploy is the next integer. It runs from the project's folder, which the workers have in the same place as the host that
    deploys, unless a builder on the flow brings its code from elsewhere. Its schedule is active in ``prod`` only. Workers of the
    pool run elsewhere; none is started here.

    Args:
        name: What the deployment is for, for example ``nightly``.
        work_pool: The work pool that runs it.
        env: Pins the environment; left empty, it is the one that is deployed to.
        env_vars: Environment variables of each run.
        schedule: When it runs: an rrule, cron or interval with its timezone.
        unique: Whether only one run happens at a time, the next one waiting; left empty, a limit set in the UI stays.
    """
    builders = namer(name=name) | describer() | tags_resolver() | versioneer(strategy="increment")
    builders |= process(work_pool=work_pool, env=env_vars or {})
    if schedule is not None:
        builders |= scheduler(schedule=schedule, holidays="US", active=env == "prod")
    if unique is not None:
        builders |= run_limit(limit=1 if unique else 0)
    return builders
