"""Keeping secrets and control characters out of the logs of runs: ours, those of builders, and tracebacks."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

from meta_prefect.texts import presentable

_PREFECT: Final = "prefect"
_LOGGERS: Final = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")
_formatter = logging.Formatter()


class _Presentable(logging.Filter):
    """Cleans a record before any handler sees it, whether it is for the terminal or for the API."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean it; nothing is left out."""
        with suppress(TypeError, ValueError):  # arguments that do not fit: the handler says so
            record.msg, record.args = presentable(record.getMessage(), longest=None), None
        if record.exc_info and not record.exc_text:
            # A formatter takes this text instead of making one.
            record.exc_text = presentable(_formatter.formatException(record.exc_info), longest=None)
        return True


_filter = _Presentable()


def keep_logs_private() -> None:
    """Let nothing secret into the logs of this process's runs and of Prefect from now on.

    Once is enough where logging is set up already, and more does no harm.
    """
    known = [name for name in tuple(logging.root.manager.loggerDict) if name.startswith(f"{_PREFECT}.")]
    for name in (_PREFECT, *_LOGGERS, *known):
        logger = logging.getLogger(name)
        for filtered in (logger, *logger.handlers):
            filtered.addFilter(_filter)
