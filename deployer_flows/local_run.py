"""The recipe for flows that run on the host that deploys them."""

from __future__ import annotations

from meta_prefect.implementations.concurrency import run_limit
from meta_prefect.implementations.infra import local_process
from meta_prefect.implementations.metadata import describer, namer, tags_resolver, versioneer
from meta_prefect.implementations.schedule import ScheduleVariable, scheduler
from meta_prefect.interfaces.flow_builder_interface import FlowBuilderInterface
from meta_prefect.recipes import recipe


@recipe
def local_run_deployer(
    name: str,
    env: str | None = None,
    schedule: ScheduleVariable = None,
    unique: bool | None = None,
    active_in: tuple[str, ...] = ("prod",),
) -> FlowBuilderInterface:
    """Deploy flows that run as processes on this host, without runs on US federal holidays.

    The deployment is called ``<name>-<env>``, is tagged ``env=<env>`` and with META_PREFECT__TAGS, and counts its versions:
    each deploy is the next integer. It runs from the project's folder, in this host's own process work pool; a worker is
    started if none is alive. Its schedule is active in ``prod`` only, unless it says otherwise.

    Args:
        name: What the deployment is for, for example ``nightly``.
        env: Pins the environment; left empty, it is the one that is deployed to.
        schedule: When it runs: an rrule, cron or interval with its timezone.
        unique: Whether only one run happens at a time, the next one waiting; left empty, a limit set in the UI stays.
        active_in: The environments in which its schedule is active.
    """
    del env  # which environment it is, each builder knows
    builders = namer(name=name) | describer() | tags_resolver() | versioneer(strategy="increment") | local_process()
    if schedule is not None:
        builders |= scheduler(schedule=schedule, holidays="US", active=active_in)
    if unique is not None:
        builders |= run_limit(limit=1 if unique else 0)
    return builders
