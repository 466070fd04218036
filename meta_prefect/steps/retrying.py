"""When a task is tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypedDict

from prefect import Task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun

from meta_prefect.errors import TemporaryServerError

RETRY_DELAYS_SECONDS: Final[list[float]] = [1, 5, 15]
"""Pauses between the attempts of a task. Each request has already been retried for half a minute by then."""


def may_go_away(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed attempt may be followed by another: only where the server could not serve it now.

    Prefect 3.8 silently never retries where this is anything but a plain function.
    """
    del task, task_run
    return isinstance(state.data, TemporaryServerError)


class _TaskOptions(TypedDict):
    cache_policy: CachePolicy
    retries: int
    retry_delay_seconds: list[float]
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], bool]


PATIENTLY: Final[_TaskOptions] = {
    "cache_policy": NO_CACHE,
    "retries": len(RETRY_DELAYS_SECONDS),
    "retry_delay_seconds": RETRY_DELAYS_SECONDS,
    "retry_condition_fn": may_go_away,
}
"""Options of a task that speaks to the server: tried again where that could not serve it, and never answered from a cache."""
