"""What the background server keeps of deploys: of the last hundred all, of older ones what history and rollback need.

A deploy of 40 leaves 2 MB in the database, most of it events. Prefect's own clean-up deletes by age alone: events after a week,
and if it is asked to, runs with their artifacts, those of users' flows and the pages of the ledger among them. Here only runs of
the deployer are touched: those that have recorded a plan or a page of the ledger, and the runs that they have started. The pages
stay, and so do the runs that have written them.
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
"""However many there are, nothing is removed of a deploy of the last day: somebody may be looking at it."""

_FIRST_AFTER: Final = 120.0
_EVERY: Final = 600.0
_ROWS: Final = 200
_PAUSE: Final = 0.2
_QUIET: Final = timedelta(seconds=20)
_LOCKED_SECONDS: Final = 2.0

_logger = get_logger("meta_prefect.retention")


class _BusyError(Exception):
    """Somebody else needs the database."""


class Retention:
    """Removes what is no longer kept, in statements of some hundred rows, while nothing happens on the server.

    Args:
        database: The file of the database.
        kept: How many deploys are kept whole.
        at_least: How long a deploy is kept whole in any case.
        quiet: For how long no run must have changed its state; None goes on whatever happens.
        pause: Seconds between two statements that remove something, for others to write.
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
            isolation_level="AUTOCOMMIT",  # a statement that only writes never waits for a lock in vain
            connect_args={"timeout": _LOCKED_SECONDS},
            poolclass=sa.NullPool,
        )
        self._kept = kept
        self._at_least = at_least
        self._quiet = quiet
        self._pause = pause

    def sweep(self) -> int:
        """Remove what is no longer kept; what is left of it when the server gets busy is for the next time.

        Returns:
            How many rows have been removed, those not counted that went with their run.
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
        """The runs of deploys that are not kept whole, those that a run has started before that run."""
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
        for run_id in runs:  # grows on the way
            runs += connection.scalars(
                sa.select(db.FlowRun.id)
                .join(db.TaskRun, db.TaskRun.id == db.FlowRun.parent_task_run_id)
                .where(db.TaskRun.flow_run_id == run_id)
            ).all()
        return runs[::-1]

    def _thin(self, connection: sa.Connection, run_id: Any) -> int:
        """Remove what a run has left: its logs, events and steps, what it has shown, and itself if nothing refers to it."""
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
                    db.Artifact.id.not_in(latest),  # the plan that a later deploy carries on, what a page shows
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
        """Remove rows, some hundred at a time.

        Raises:
            _BusyError: Something happens on the server.
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
    """Remove from time to time what is no longer kept, in a thread of its own, until the process ends."""
    Thread(target=_sweep_forever, args=(Retention(database).sweep,), name="retention", daemon=True).start()


def _sweep_forever(sweep: Callable[[], object]) -> None:
    time.sleep(_FIRST_AFTER)
    while True:
        try:
            sweep()
        except Exception:
            _logger.warning("old deploys could not be cleaned up", exc_info=True)
        time.sleep(_EVERY)
