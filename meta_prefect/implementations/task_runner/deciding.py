"""A task runner that is chosen when a run starts."""

from __future__ import annotations

from typing import Any, Protocol

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner


class MakesTaskRunners(Protocol):
    """Creates the task runner for a run."""

    def task_runner(self) -> TaskRunner[Any]:
        """Create the task runner for a run that starts now."""
        ...


class DecidingTaskRunner(TaskRunner[PrefectFuture[Any]]):
    """Placeholder for a flow's ``task_runner`` until a run starts.

    Prefect gives each run a duplicate of its flow's task runner; duplicating this one creates the real one.

    Args:
        maker: Creates the real task runner.
    """

    def __init__(self, maker: MakesTaskRunners) -> None:
        super().__init__()
        self.maker = maker

    def duplicate(self) -> Any:
        """Create the task runner for a run that starts now."""
        return self.maker.task_runner()

    def submit(self, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Raise an error, since no run has started.

        Raises:
            RuntimeError: Always.
        """
        del args, kwargs
        raise RuntimeError("this task runner decides when a run starts; tasks are submitted in a run")
