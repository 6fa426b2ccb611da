"""The events on Kafka: structured CloudEvents 1.0, under 4 KB, keyed by image id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipeline import strict_json
from pipeline.errors import MalformedEvent
from pipeline.events import checks

CONTENT_TYPE = "application/cloudevents+json"
BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"
MAX_EVENT_BYTES = 4096
# The header `Priority` (RFC 9218) of a call for images that are looked at before others.
URGENT = "u=1"

UPLOADED = "ImageUploaded"
CLASSIFIED = "ImageClassified"

_DATA_FIELDS = {
    "tenant_id": "tenantId",
    "job_id": "jobId",
    "image_id": "imageId",
    "model_id": "modelId",
    "original_file_name": "originalFileName",
    "storage_provider": "storageProvider",
    "storage_path": "storagePath",
    "file_size": "fileSize",
    "mime_type": "mimeType",
    "uploaded_at": "uploadedAt",
    "duplicate": "duplicate",
}


@dataclass(frozen=True)
class ImageUploaded:
    """One accepted submission.

    Attributes:
        attempt: which try of this image its classification will be, from 1.
        not_before: seconds since 1970 before which a retry must not be made, or 0.
        redelivered: it may have been worked on before: look for a stored result first.
        replays: how often its dead letter was replayed.
    """

    tenant_id: str
    job_id: str
    image_id: str
    model_id: str
    original_file_name: str
    storage_path: str
    file_size: int
    mime_type: str
    uploaded_at: str
    duplicate: bool
    traceparent: str
    storage_provider: str = "minio"
    attempt: int = 1
    not_before: float = 0.0
    redelivered: bool = False
    replays: int = 0

    @property
    def extension(self) -> str:
        """The input object's file extension."""
        return self.storage_path.rpartition(".")[2]

    def encode(self) -> bytes:
        """Render the CloudEvent."""
        return dump(self.to_cloud_event())

    def to_cloud_event(self) -> dict[str, Any]:
        """Build the CloudEvent; its id depends on the job alone."""
        values = asdict(self)
        event = envelope(UPLOADED, "/image-upload", self.job_id, self.image_id, self.traceparent)
        event["time"] = self.uploaded_at
        event["data"] = {name: values[field] for field, name in _DATA_FIELDS.items()}
        if self.attempt > 1:
            event |= {"attempt": self.attempt, "notbefore": datetime_text(self.not_before)}
        if self.redelivered:
            event["redelivered"] = True
        if self.replays:
            event["replays"] = self.replays
        return event

    def again(self, not_before: float) -> ImageUploaded:
        """Make the event of the next attempt."""
        return replace(self, attempt=self.attempt + 1, not_before=not_before)

    def replayed(self) -> ImageUploaded:
        """Make the event that gives a dead-lettered job its whole budget again."""
        return replace(self, attempt=1, not_before=0.0, redelivered=True, replays=self.replays + 1)


def decode_uploaded(raw: bytes) -> ImageUploaded:
    """Read an ImageUploaded event.

    Raises:
        MalformedEvent: it is not one this system wrote; the text says what is wrong.
    """
    try:
        event = strict_json.parse(raw, MAX_EVENT_BYTES)
    except ValueError as error:
        raise MalformedEvent(f"the event is not JSON: {error}") from error
    return parse_uploaded(event)


def parse_uploaded(event: object) -> ImageUploaded:
    """Check a parsed CloudEvent and take its fields.

    Raises:
        MalformedEvent: a field is missing or not what it must be, or two do not belong together.
    """
    if not isinstance(event, dict) or event.get("type") != UPLOADED:
        raise MalformedEvent(f"the event is not a CloudEvent of type {UPLOADED}")
    data = event.get("data")
    if not isinstance(data, dict):
        raise MalformedEvent("the event has no data object")
    values = {field: checks.typed(data, field, name) for field, name in _DATA_FIELDS.items()}
    checks.check_data(data)
    checks.check_envelope(event, data)
    return ImageUploaded(
        **values,
        traceparent=event.get("traceparent", ""),
        attempt=checks.counted(event, "attempt", 1),
        not_before=checks.moment(event["notbefore"], "notbefore") if "notbefore" in event else 0.0,
        redelivered=event.get("redelivered") is True,
        replays=checks.counted(event, "replays", 0),
    )


def encode_classified(uploaded: ImageUploaded, result: Mapping[str, Any], path: str) -> bytes:
    """Render the ImageClassified event of one job."""
    event = envelope(
        CLASSIFIED,
        "/image-process-consumer",
        uploaded.job_id,
        uploaded.image_id,
        uploaded.traceparent,
    )
    event["data"] = {
        "tenantId": uploaded.tenant_id,
        "jobId": uploaded.job_id,
        "imageId": uploaded.image_id,
        "modelId": result["modelId"],
        "storageProvider": uploaded.storage_provider,
        "storagePath": path,
        "labels": result["labels"],
        "completedAt": datetime_text(datetime.now(UTC).timestamp()),
    }
    return dump(event)


@dataclass(frozen=True)
class Origin:
    """Where a message was read."""

    topic: str
    partition: int
    offset: int


def datetime_text(seconds: float) -> str:
    """Write seconds since 1970 as RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def envelope(
    kind: str, source: str, identity: str, subject: str, traceparent: str
) -> dict[str, Any]:
    """Build a CloudEvent without its data; the id depends on kind and identity alone."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "type": kind,
        "source": source,
        "id": event_id(kind, identity),
        "subject": subject,
        "time": datetime_text(datetime.now(UTC).timestamp()),
        "datacontenttype": "application/json",
    }
    if traceparent:
        event["traceparent"] = traceparent
    return event


def event_id(kind: str, identity: str) -> str:
    """Name an event; the same fact has the same name, however often it is written."""
    return hashlib.sha256(f"{kind}\n{identity}".encode()).hexdigest()[:32]


def dump(event: Mapping[str, Any]) -> bytes:
    """Render a CloudEvent as it goes to Kafka."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
