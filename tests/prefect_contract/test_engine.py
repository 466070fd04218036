"""What Prefect's engine does with what it is given."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from prefect import flow, task
from prefect.logging.configuration import DEFAULT_LOGGING_SETTINGS_PATH, load_logging_config
from prefect.settings import PREFECT_UI_URL, temporary_settings
from prefect.utilities.engine import collect_task_run_inputs_sync, resolve_inputs_sync

from meta_prefect.engine.observed import is_temporary
from meta_prefect.implementations.filesystem import S3Filesystem
from meta_prefect.prefect_internals.logs import PrefectConsoleHandler
from meta_prefect.prefect_internals.tasks import whole
from meta_prefect.prefect_internals.utilities import parameter_schema, run_coro_as_sync, url_for


@dataclass(frozen=True)
class Searched:
    """Notes that somebody looks at its member."""

    member: Any
    looks: list[str]

    def __getattribute__(self, name: str) -> Any:
        if name == "member":
            object.__getattribute__(self, "looks").append(name)
        return object.__getattribute__(self, name)


def test_a_whole_parameter_is_not_searched_for_futures() -> None:
    """Otherwise each step of a deploy walks through every deployment, which takes seconds; without a need, `whole` may go."""
    plain, wrapped = Searched(1, []), Searched(1, [])
    for one in (plain, whole(wrapped)):
        collect_task_run_inputs_sync(one)
        resolve_inputs_sync({"one": one})
    assert plain.looks
    assert not wrapped.looks
    assert resolve_inputs_sync({"one": whole(wrapped)})["one"] is wrapped


def test_a_plain_function_decides_about_retries() -> None:
    """Otherwise a step is never tried again: Prefect 3.8 refuses anything but a plain function without a word."""
    assert task(retry_condition_fn=is_temporary)(lambda: None).retry_condition_fn is is_temporary


def test_a_text_is_taken_as_a_result_storage() -> None:
    """Otherwise no flow can be decorated with `result_storage=S3Filesystem(…)`."""
    storage = S3Filesystem(bucket="results")
    assert flow(result_storage=storage)(lambda: None).result_storage is storage


def test_options_make_a_flow_that_is_a_copy_with_a_function_to_replace() -> None:
    """Otherwise a recipe's run inside a deploy would plan again instead of carrying out its part of the plan."""

    def planning() -> str:
        return "planned"

    def carrying_out() -> str:
        return "carried out"

    made = flow(planning).with_options(flow_run_name="x", validate_parameters=False)
    made.fn = carrying_out
    assert made.fn() == "carried out"
    assert made.flow_run_name == "x"
    assert made.should_validate_parameters is False


def test_the_console_handler_is_where_prefect_s_log_goes() -> None:
    """Otherwise Prefect's log lines stand between those of the command line."""
    console = load_logging_config(DEFAULT_LOGGING_SETTINGS_PATH)["handlers"]["console"]
    assert console["class"] == f"{PrefectConsoleHandler.__module__}.{PrefectConsoleHandler.__qualname__}"


def test_the_form_of_a_flow_is_what_prefect_deploy_stores() -> None:
    """Otherwise every deployment differs from what `prefect deploy` stored, or run forms lose their help."""

    def etl(day: str, rows: int = 3) -> None:
        """Load.

        Args:
            day: Which day.
            rows: How many.
        """

    form = parameter_schema(etl).model_dump(exclude_unset=True)
    assert form["required"] == ["day"]
    assert form["properties"]["day"] == {"title": "day", "description": "Which day.", "position": 0, "type": "string"}
    assert form["properties"]["rows"] == {
        "title": "rows",
        "description": "How many.",
        "default": 3,
        "position": 1,
        "type": "integer",
    }


def test_pages_of_the_ui_have_addresses() -> None:
    """Otherwise reports, artifacts and comments link to nothing."""
    run = uuid4()
    with temporary_settings({PREFECT_UI_URL: "http://ui"}):
        assert url_for("flow-run", obj_id=run) == f"http://ui/runs/flow-run/{run}"


def test_a_coroutine_can_be_run_where_a_loop_runs() -> None:
    """Otherwise `S3Filesystem(…).ensure()` fails in notebooks."""

    async def one() -> int:
        return 1

    async def within_a_loop() -> int:
        return run_coro_as_sync(one()) or 0

    assert asyncio.run(within_a_loop()) == 1
