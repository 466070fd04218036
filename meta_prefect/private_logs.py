"""Keeps secrets and control characters out of run logs: ours, those of builders, and tracebacks."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

from meta_prefect.texts import presentable

_PREFECT: Final = "prefect"
_LOGGERS: Final = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")
_formatter = logging.Formatter()


class _Presentable(logging.Filter):
    """Cleans a record before any handler sees it, whether for the terminal or the API."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record; never drops one."""
        with suppress(TypeError, ValueError):  # mismatched arguments are reported by the handler
            record.msg, record.args = presentable(record.getMessage(), longest=None), None
        if record.exc_info and not record.exc_text:
            # Formatters use this text if it is set.
            record.exc_text = presentable(_formatter.formatException(record.exc_info), longest=None)
        return True


_filter = _Presentable()


def keep_logs_private() -> None:
    """Keep secrets out of the logs of this process's runs and of Prefect from now on.

    Idempotent; call it after logging is set up.
    """
    known = [name for name in tuple(logging.root.manager.loggerDict) if name.startswith(f"{_PREFECT}.")]
    for name in (_PREFECT, *_LOGGERS, *known):
        logger = logging.getLogger(name)
        for filtered in (logger, *logger.handlers):
            filtered.addFilter(_filter)
