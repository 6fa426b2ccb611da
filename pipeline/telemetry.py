"""How processes speak of themselves: JSON log lines, trace context, metrics."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
from datetime import UTC, datetime

from prometheus_client import Counter, Gauge, Histogram

from pipeline.version import VERSION

VERSION_INFO = Gauge("image_pipeline_version", "1, by the version of what runs", ["version"])
UPLOADS = Counter("image_uploads_total", "uploads answered, by outcome", ["outcome"])
BACKLOG = Gauge("image_backlog", "events in Kafka that wait for the consumer's commit")
CLASSIFICATIONS = Counter(
    "image_classifications_total", "references classified, by outcome", ["outcome"]
)
MODEL_LOADED = Gauge(
    "image_model_loaded", "1 for the current model of this replica", ["model_id", "digest"]
)
MODELS_LOADED = Counter(
    "image_models_loaded_total", "models loaded for jobs pinned to another than the current one"
)
INFERENCES = Counter("image_inferences_total", "images that went through the model")
INFERENCE_SECONDS = Histogram(
    "image_inference_seconds",
    "seconds of one inference, decoding not counted",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)
CACHE_LOOKUPS = Counter(
    "image_cache_lookups_total", "result look-ups in Redis, by outcome", ["outcome"]
)
EVENTS = Counter("image_events_total", "events the consumer finished, by outcome", ["outcome"])
EVENTS_IN_FLIGHT = Gauge("image_events_in_flight", "events read from Kafka and not yet finished")
CALLS_ALLOWED = Gauge("image_calls_allowed", "calls at once that the consumer makes at most")
BREAKER_OPEN = Gauge("image_breaker_open", "1 while the consumer rests because everything fails")
REPLICAS_NEEDED = Gauge("image_classifier_replicas_needed", "replicas that the load needs")
REPLICAS_WANTED = Gauge("image_classifier_replicas_wanted", "of them those that are allowed")
SCALING_CAPPED = Gauge("image_classifier_scaling_capped", "1 while more are needed than allowed")
SERVICE_SECONDS = Gauge("image_classifier_service_seconds", "of one replica for one image")
CLEAR_SECONDS = Gauge("image_backlog_clear_seconds", "until nothing waits, if this goes on")
ASSIGNED_PARTITIONS = Gauge("image_assigned_partitions", "partitions this consumer owns")

CALLS_ACCEPTED = Counter("function_calls_accepted_total", "asynchronous calls answered 202")
CALLS = Counter("function_calls_total", "asynchronous calls, by what became of a try", ["outcome"])
CALLBACKS = Counter("function_callbacks_total", "answers sent on, by outcome", ["outcome"])
CALLS_WAITING = Gauge("function_calls_waiting", "asynchronous calls that are not finished")
CALLS_IN_FLIGHT = Gauge("function_calls_in_flight", "asynchronous calls being made")

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def trace_id(traceparent: str | None) -> str:
    """Take the trace id out of a W3C traceparent; a missing or broken one starts a new trace."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return match.group(1) if match else secrets.token_hex(16)


def is_traceparent(text: str) -> bool:
    """Tell whether this is a W3C traceparent of the version that is written here."""
    return _TRACEPARENT.fullmatch(text) is not None


def child_traceparent(trace: str) -> str:
    """Make the traceparent of a new span in this trace (W3C Trace Context, sampled)."""
    return f"00-{trace}-{secrets.token_hex(8)}-01"


class JsonFormatter(logging.Formatter):
    """One line of JSON a record, with the fields given as `extra`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Render the record; values JSON does not know become text."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(
            {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS}
        )
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = json.dumps(line, default=str, ensure_ascii=False)
        # Half of a surrogate pair is written as an escape rather than lose the line.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def configure(service: str, level: str) -> None:
    """Send all log lines of this process to stdout as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    VERSION_INFO.labels(VERSION).set(1)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Its warnings and debug lines hold whole URLs, and ours are signed.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
