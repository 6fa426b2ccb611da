"""How a replica logs: one JSON line per event on stdout."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from types import TracebackType


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if trace_id := getattr(record, "trace_id", None):
            line["trace_id"] = trace_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(*names: str) -> None:
    """Log what these loggers say, and what ends the process; the handler has loggers of its own."""
    output = logging.StreamHandler(sys.stdout)
    output.setFormatter(JsonFormatter())
    for name in names:
        logging.getLogger(name).addHandler(output)
        logging.getLogger(name).propagate = False

    def log_crash(
        kind: type[BaseException], error: BaseException, at: TracebackType | None
    ) -> None:
        logging.getLogger(names[0]).critical("process failed", exc_info=(kind, error, at))

    sys.excepthook = log_crash
