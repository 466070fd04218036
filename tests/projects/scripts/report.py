"""One flow, two deployments in code: nothing but this file and `meta-prefect deploy`."""

from prefect import flow

from meta_prefect.implementations.concurrency import run_limit
from meta_prefect.implementations.infra import local_process
from meta_prefect.implementations.metadata import tags_resolver, versioneer
from meta_prefect.implementations.run_settings import env_variables, parameters


@flow
def report(audience: str, copies: int = 1) -> str:
    """Write a report."""
    return f"{copies} for {audience}"


common = versioneer(strategy="content") | tags_resolver(tags=("report",)) | local_process()

team = (common | parameters(values={"audience": "team"}))(report)
board = (common | parameters(values={"audience": "board", "copies": 7}) | env_variables(values={"TONE": "formal"}))(
    report
)
board_once = run_limit(limit=1)(board)
