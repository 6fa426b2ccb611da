"""What an input object says of the upload that stored it, to make a lost event again."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping

from pipeline.errors import MalformedEvent, NotFound
from pipeline.events import cloudevents
from pipeline.events.cloudevents import ImageUploaded
from pipeline.ids import INPUT_BUCKET, JobIds
from pipeline.images.formats import FORMATS
from pipeline.storage.s3 import Described

_OWN_KEY = re.compile(r"([^/]+)/([0-9a-f]{2})/(\2[0-9a-f]{62})\.([a-z0-9]+)")

# What the object says of its type is whatever was said when it was put or copied.
_MIME_TYPES = {kind.extension: kind.mime_type for kind in FORMATS}

_JOB = "job-id"
_NAME = "file-name"  # base64url of its UTF-8: headers are ASCII, and S3 keeps 2 KB of them
_TIME = "uploaded-at"
_TRACE = "traceparent"


def metadata_of(event: ImageUploaded) -> dict[str, str]:
    """Write what the object itself does not tell of its event."""
    name = base64.urlsafe_b64encode(event.original_file_name.encode()).decode()
    return {
        _JOB: event.job_id,
        _NAME: name,
        _TIME: event.uploaded_at,
        _TRACE: event.traceparent,
    }


def image_of(key: str) -> tuple[str, str, str] | None:
    """Take tenant, image id and extension out of an input object's key."""
    match = _OWN_KEY.fullmatch(key)
    return (match[1], match[3], match[4]) if match else None


def recall(
    key: str, stored: Described, job_ids: JobIds, current_model: Callable[[], str]
) -> ImageUploaded:
    """Make the event of a stored image again: the original one if the object says enough.

    Otherwise a job under the current model, the same whenever it is made again.

    Raises:
        MalformedEvent: the key is not that of an image.
    """
    named = image_of(key)
    if named is None:
        raise MalformedEvent(f"{INPUT_BUCKET}/{key} is not named as an image is")
    tenant, image, extension = named
    said = stored.metadata
    try:
        job = job_ids.read(said.get(_JOB, ""), tenant)
        if job.image_id != image:
            raise NotFound("the job is about another image")
    except NotFound:
        said = {}
        job = job_ids.reissue(tenant, image, current_model(), stored.stored_at)
    event = ImageUploaded(
        tenant_id=tenant,
        job_id=job.job_id,
        image_id=image,
        model_id=job.model_id,
        original_file_name=_file_name(said),
        storage_path=f"{INPUT_BUCKET}/{key}",
        file_size=stored.size,
        mime_type=_MIME_TYPES.get(extension, ""),
        uploaded_at=said.get(_TIME) or cloudevents.datetime_text(stored.stored_at),
        duplicate=False,
        traceparent=said.get(_TRACE, ""),
        redelivered=True,
    )
    return cloudevents.decode_uploaded(event.encode())  # refused here rather than by the consumer


def _file_name(said: Mapping[str, str]) -> str:
    try:
        return base64.urlsafe_b64decode(said.get(_NAME, "")).decode()
    except (binascii.Error, ValueError):
        return ""
