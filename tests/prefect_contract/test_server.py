"""Prefect's server as we start it, and its database."""

from __future__ import annotations

import inspect
from pathlib import Path

import prefect
import pytest
from prefect.settings import Settings

from meta_prefect.local.server import server_environment
from meta_prefect.prefect_internals.serving import TERMINAL_STATES, create_app, provide_database_interface

COLUMNS = {
    "Artifact": "id flow_run_id type",
    "ArtifactCollection": "latest_id",
    "Event": "id",
    "EventResource": "id event_id resource_id",
    "FlowRun": "id created end_time parent_task_run_id state_timestamp state_type",
    "Log": "id flow_run_id",
    "TaskRun": "id flow_run_id state_timestamp",
}


@pytest.mark.parametrize(("table", "columns"), COLUMNS.items(), ids=list(COLUMNS))
def test_tables_have_the_columns_by_which_old_deploys_are_removed(table: str, columns: str) -> None:
    """Otherwise the background server's database grows for ever."""
    model = getattr(provide_database_interface(), table)
    assert set(columns.split()) <= {column.key for column in model.__mapper__.columns}


def test_states_in_which_runs_have_ended_are_known() -> None:
    """Otherwise a deploy that is under way may be taken for an old one."""
    assert {str(one.value) for one in TERMINAL_STATES} == {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}


def test_the_server_s_application_can_be_made() -> None:
    """Otherwise no background server starts: ours puts its guard before Prefect's application."""
    assert "final" in inspect.signature(create_app).parameters


def test_the_ui_is_unpacked_into_the_package() -> None:
    """Otherwise the background server cannot start where Prefect is installed read-only."""
    assert (Path(prefect.__file__).parent / "server").is_dir()


def test_the_server_s_settings_are_known_by_their_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise any web page may create deployments, locks leak when the server restarts, or SQLite loses every other write."""
    for name, value in server_environment({}, home=tmp_path, port=4321, auth_string="a:b", ui_folder=tmp_path).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    server = settings.server
    assert (settings.home, settings.api.url) == (tmp_path, "http://127.0.0.1:4321/api")
    assert server.api.csrf_protection_enabled
    assert "http://localhost:4321" in server.api.cors_allowed_origins
    assert server.api.auth_string is not None
    assert server.api.auth_string.get_secret_value() == "a:b"
    assert server.concurrency.lease_storage.endswith("filesystem")
    assert server.services.task_run_recorder.batch_size == server.services.event_persister.batch_size == 200
    assert server.services.task_run_recorder.flush_interval == 1
    assert server.ui.static_directory == str(tmp_path)
    assert not server.ui.show_promotional_content
    assert not server.analytics_enabled
