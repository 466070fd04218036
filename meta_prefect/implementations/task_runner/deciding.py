"""A task runner that decides when a run starts which one it is."""

from __future__ import annotations

from typing import Any, Protocol

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner


class MakesTaskRunners(Protocol):
    """Whatever knows which task runner a run gets."""

    def task_runner(self) -> TaskRunner[Any]:
        """Make the task runner of a run that starts here and now."""
        ...


class DecidingTaskRunner(TaskRunner[PrefectFuture[Any]]):
    """Stands in a flow's ``task_runner`` until a run starts.

    Prefect gives each run a duplicate of its flow's task runner: the duplicate of this one is the real one.

    Args:
        maker: Decides.
    """

    def __init__(self, maker: MakesTaskRunners) -> None:
        super().__init__()
        self.maker = maker

    def duplicate(self) -> Any:
        """Make the task runner of a run that starts here and now."""
        return self.maker.task_runner()

    def submit(self, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Refuse: no run has started.

        Raises:
            RuntimeError: Always.
        """
        del args, kwargs
        raise RuntimeError("this task runner decides when a run starts; tasks are submitted in a run")
