"""Retention on the background server: recent deploys are kept in full, older ones only as far as history and rollback need.

A deploy of 40 deployments adds 2 MB to the database, most of it events. Prefect's own clean-up deletes by age alone: events
after a week and, if enabled, runs with their artifacts, including those of users' flows and the ledger pages. This clean-up
touches only the deployer's runs: those that recorded a plan or a ledger page, and the runs they started. Ledger pages are
kept, and so are the runs that wrote them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any, Final

import sqlalchemy as sa
from prefect.logging import get_logger
from sqlalchemy.exc import OperationalError

from meta_prefect.local.data import DEPLOYS_KEPT
from meta_prefect.plan.ledger import ARTIFACT_TYPE as LEDGER
from meta_prefect.plan.saved_plan import ARTIFACT_TYPE as PLAN
from meta_prefect.prefect_internals.serving import TERMINAL_STATES, provide_database_interface

_AT_LEAST: Final = timedelta(days=1)
"""Deploys of the last day are always kept in full: someone may be looking at them."""

_FIRST_AFTER: Final = 120.0
_EVERY: Final = 600.0
_ROWS: Final = 200
_PAUSE: Final = 0.2
_QUIET: Final = timedelta(seconds=20)
_LOCKED_SECONDS: Final = 2.0

_logger = get_logger("meta_prefect.retention")


class _BusyError(Exception):
    """Someone else needs the database."""


class Retention:
    """Deletes expired data in batches of a few hundred rows while the server is idle.

    Args:
        database: The database file.
        kept: How many deploys to keep in full.
        at_least: The minimum age before a deploy is thinned out.
        quiet: How long the server must have seen no run state change; None to ignore activity.
        pause: Seconds to wait between deletes, so that other writers get a turn.
    """

    def __init__(
        self,
        database: Path,
        *,
        kept: int = DEPLOYS_KEPT,
        at_least: timedelta = _AT_LEAST,
        quiet: timedelta | None = _QUIET,
        pause: float = _PAUSE,
    ) -> None:
        self._db: Any = provide_database_interface()
        self._engine = sa.create_engine(
            f"sqlite:///{database}",
            isolation_level="AUTOCOMMIT",  # a statement that only writes never waits for a lock it cannot get
            connect_args={"timeout": _LOCKED_SECONDS},
            poolclass=sa.NullPool,
        )
        self._kept = kept
        self._at_least = at_least
        self._quiet = quiet
        self._pause = pause

    def sweep(self) -> int:
        """Delete expired data; if the server becomes busy, the rest is left for the next sweep.

        Returns:
            How many rows were deleted, not counting those deleted by cascade with their run.
        """
        removed = 0
        try:
            with self._engine.connect() as connection:
                connection.execute(sa.text("PRAGMA foreign_keys = ON"))
                for run_id in self._old_runs(connection):
                    removed += self._thin(connection, run_id)
        except (_BusyError, OperationalError) as reason:
            _logger.debug("the clean-up of old deploys goes on later: %s", reason)
        if removed:
            _logger.info("removed %s rows of deploys that are older than the last %s", removed, self._kept)
        return removed

    def _old_runs(self, connection: sa.Connection) -> list[Any]:
        """Return the runs of deploys no longer kept in full, child runs before their parents."""
        db = self._db
        wrote = sa.select(db.Artifact.flow_run_id).where(db.Artifact.type.in_([LEDGER, PLAN]))
        found = connection.execute(
            sa.select(db.FlowRun.id, db.FlowRun.state_type, db.FlowRun.end_time, db.TaskRun.flow_run_id)
            .outerjoin(db.TaskRun, db.TaskRun.id == db.FlowRun.parent_task_run_id)
            .where(db.FlowRun.id.in_(wrote))
            .order_by(db.FlowRun.created.desc())
        ).all()
        known = {run.id for run in found}
        before = datetime.now(UTC) - self._at_least
        deploys = [run for run in found if run.flow_run_id not in known]
        old = [
            run.id
            for run in deploys[self._kept :]
            if run.state_type in TERMINAL_STATES and run.end_time is not None and run.end_time <= before
        ]
        runs = list(old)
        for run_id in runs:  # grows while iterating
            runs += connection.scalars(
                sa.select(db.FlowRun.id)
                .join(db.TaskRun, db.TaskRun.id == db.FlowRun.parent_task_run_id)
                .where(db.TaskRun.flow_run_id == run_id)
            ).all()
        return runs[::-1]

    def _thin(self, connection: sa.Connection, run_id: Any) -> int:
        """Delete a run's logs, events, task runs and artifacts, and the run itself if nothing refers to it."""
        db = self._db
        parents = sa.select(db.FlowRun.parent_task_run_id).where(db.FlowRun.parent_task_run_id.is_not(None))
        latest = sa.select(db.ArtifactCollection.latest_id)
        conditions: Iterable[tuple[Any, Any]] = (
            (db.Log, db.Log.flow_run_id == run_id),
            (db.TaskRun, sa.and_(db.TaskRun.flow_run_id == run_id, db.TaskRun.id.not_in(parents))),
            (
                db.Artifact,
                sa.and_(
                    db.Artifact.flow_run_id == run_id,
                    db.Artifact.type.is_distinct_from(LEDGER),
                    db.Artifact.id.not_in(latest),  # the plan that a later deploy continues, and what a page shows
                ),
            ),
        )
        removed = self._remove_events(connection, run_id)
        removed += sum(self._remove(connection, model, condition) for model, condition in conditions)
        refers = (
            sa.exists().where(db.Artifact.flow_run_id == db.FlowRun.id),
            sa.exists().where(db.TaskRun.flow_run_id == db.FlowRun.id),
        )
        gone = sa.and_(db.FlowRun.id == run_id, *(sa.not_(one) for one in refers))
        return removed + self._remove(connection, db.FlowRun, gone)

    def _remove_events(self, connection: sa.Connection, run_id: Any) -> int:
        db = self._db
        removed = 0
        about = sa.select(db.EventResource.event_id).where(db.EventResource.resource_id == f"prefect.flow-run.{run_id}")
        while events := connection.scalars(about.distinct().limit(_ROWS)).all():
            self._remove(connection, db.Event, db.Event.id.in_(events))
            removed += self._remove(connection, db.EventResource, db.EventResource.event_id.in_(events))
        return removed

    def _remove(self, connection: sa.Connection, model: Any, condition: Any) -> int:
        """Delete rows, a few hundred at a time.

        Raises:
            _BusyError: There is activity on the server.
        """
        removed = 0
        some = sa.select(model.id).where(condition).limit(_ROWS)
        while connection.scalar(some.limit(1)) is not None:
            self._check_quiet(connection)
            removed += connection.execute(sa.delete(model).where(model.id.in_(some.scalar_subquery()))).rowcount
            time.sleep(self._pause)
        return removed

    def _check_quiet(self, connection: sa.Connection) -> None:
        if self._quiet is None:
            return
        since = datetime.now(UTC) - self._quiet
        for model in (self._db.FlowRun, self._db.TaskRun):
            if connection.scalar(sa.select(model.id).where(model.state_timestamp > since).limit(1)) is not None:
                raise _BusyError("runs change their states")


def sweep_forever(database: Path) -> None:
    """Sweep periodically until the process ends; runs in its own thread."""
    Thread(target=_sweep_forever, args=(Retention(database).sweep,), name="retention", daemon=True).start()


def _sweep_forever(sweep: Callable[[], object]) -> None:
    time.sleep(_FIRST_AFTER)
    while True:
        try:
            sweep()
        except Exception:
            _logger.warning("old deploys could not be cleaned up", exc_info=True)
        time.sleep(_EVERY)
