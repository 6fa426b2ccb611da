"""What the fields of an ImageUploaded event may hold, each by itself and all of them together.

Nothing else comes in, so that nothing of it can fail later: in a key, a header, a log line, UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeline.errors import MalformedEvent
from pipeline.ids import (
    IMAGE_ID_PATTERN,
    INPUT_BUCKET,
    MODEL_ID_PATTERN,
    TENANT_PATTERN,
    image_and_model,
    input_key,
)
from pipeline.images.formats import FORMATS
from pipeline.telemetry import is_traceparent

STORAGE_PROVIDER = "minio"
MAX_FILE_NAME_CHARACTERS = 255
# Nothing is tried or replayed so often.
MAX_COUNT = 1_000_000

_PATTERNS = {
    "tenantId": TENANT_PATTERN,
    "imageId": IMAGE_ID_PATTERN,
    "modelId": MODEL_ID_PATTERN,
}
_EXTENSIONS = {kind.mime_type: kind.extension for kind in FORMATS}
_TYPES: dict[str, type] = {"file_size": int, "duplicate": bool}
# Nothing that is stored is larger.
_MAX_FILE_BYTES = 2**40
# Control characters and halves of surrogate pairs.
_NO_NAME = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_EVENT_ID = re.compile(r"[0-9a-f]{32}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
# 1970 to 9998: a day added to it, or taken away, is a date still.
_MOMENTS = (0.0, 253_370_764_800.0)
_FOUND_CHARACTERS = 100


def take(data: Mapping[str, Any], name: str, wanted: type, where: str = "") -> Any:
    """Take a field that must be there, of one type.

    Args:
        where: the way to it, said before its name.

    Raises:
        MalformedEvent: it is missing, or of another.
    """
    value = data.get(name)
    if type(value) is not wanted:
        found = type(value).__name__
        raise MalformedEvent(f"{where}{name} is {found}; it must be {wanted.__name__}")
    return value


def typed(data: Mapping[str, Any], field: str, name: str) -> Any:
    """Take a field of an ImageUploaded event's data.

    Raises:
        MalformedEvent: it is missing, or of another type than its own.
    """
    return take(data, name, _TYPES.get(field, str), "data.")


def counted(event: Mapping[str, Any], name: str, smallest: int) -> int:
    """Take a count; one that is not there is the smallest.

    Raises:
        MalformedEvent: it is something else.
    """
    value = event.get(name, smallest)
    if type(value) is not int or not smallest <= value <= MAX_COUNT:
        found = _shown(value)
        raise MalformedEvent(f"{name} is {found}; a whole number from {smallest} to {MAX_COUNT}")
    return value


def moment(text: object, name: str) -> float:
    """Read a time as seconds since 1970.

    Raises:
        MalformedEvent: it is not RFC 3339, or no time that can be reckoned with.
    """
    try:
        if isinstance(text, str) and _MOMENT.fullmatch(text):
            seconds = datetime.fromisoformat(text).timestamp()
            if _MOMENTS[0] <= seconds < _MOMENTS[1]:
                return seconds
    except (ValueError, OverflowError) as error:
        raise MalformedEvent(f"{name} is {_shown(text)}, which is no time: {error}") from error
    raise MalformedEvent(f"{name} is {_shown(text)}; RFC 3339 from 1970 to 9998 is read")


def check_data(data: Mapping[str, Any]) -> None:
    """Refuse names that are not canonical, or that lead elsewhere than to the job's own image.

    Raises:
        MalformedEvent: the text names the field.
    """
    _check_names(data)
    _check_object(data)
    name = data["originalFileName"]
    if len(name) > MAX_FILE_NAME_CHARACTERS:
        wrong = f"has {len(name)} characters, more than {MAX_FILE_NAME_CHARACTERS}"
        raise _refusal("data.originalFileName", wrong, name)
    if _NO_NAME.search(name):
        raise _refusal("data.originalFileName", "holds what no file name does", name)
    moment(data["uploadedAt"], "data.uploadedAt")


def check_envelope(event: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Refuse an envelope that is not the one of this data.

    Raises:
        MalformedEvent: the text names the attribute.
    """
    if event.get("specversion") != "1.0":
        raise _refusal("specversion", "is not 1.0", event.get("specversion"))
    if event.get("subject") != data["imageId"]:
        raise _refusal("subject", "is not the image", event.get("subject"))
    event_id = event.get("id")
    if not isinstance(event_id, str) or not _EVENT_ID.fullmatch(event_id):
        raise _refusal("id", "is not well formed", event_id)
    trace = event.get("traceparent", "")
    if not isinstance(trace, str) or (trace and not is_traceparent(trace)):
        raise _refusal("traceparent", "is not well formed", trace)
    if not isinstance(event.get("redelivered", False), bool):
        raise _refusal("redelivered", "is not true or false", event["redelivered"])


def _check_names(data: Mapping[str, Any]) -> None:
    for name, pattern in _PATTERNS.items():
        if not pattern.fullmatch(data[name]):
            raise _refusal(f"data.{name}", "is not well formed", data[name])
    about = image_and_model(data["jobId"])
    if about is None:
        raise _refusal("data.jobId", "is not well formed", data["jobId"])
    if about != (data["imageId"], data["modelId"]):
        raise _refusal("data.jobId", "is about another image or model", about)


def _check_object(data: Mapping[str, Any]) -> None:
    if data["storageProvider"] != STORAGE_PROVIDER:
        raise _refusal(
            "data.storageProvider", f"is not {STORAGE_PROVIDER}", data["storageProvider"]
        )
    extension = _EXTENSIONS.get(data["mimeType"])
    if extension is None:
        raise _refusal("data.mimeType", "is none that is accepted", data["mimeType"])
    own = input_key(data["tenantId"], data["imageId"], extension)
    if data["storagePath"] != f"{INPUT_BUCKET}/{own}":
        raise _refusal("data.storagePath", "is not the image's own object", data["storagePath"])
    if not 0 < data["fileSize"] <= _MAX_FILE_BYTES:
        raise _refusal("data.fileSize", "is no file's size", data["fileSize"])


def _refusal(name: str, wrong: str, found: object) -> MalformedEvent:
    return MalformedEvent(f"{name} {wrong}: {_shown(found)}")


def _shown(value: object) -> str:
    """Show what was found in few characters that every log and header takes."""
    return ascii(value)[:_FOUND_CHARACTERS]
