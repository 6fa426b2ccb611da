"""Messages that no honest part writes, of every kind that was thought of; a seed gives the same."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from pipeline.events.checks import MAX_FILE_NAME_CHARACTERS
from pipeline.events.cloudevents import MAX_EVENT_BYTES, ImageUploaded
from pipeline.ids import INPUT_BUCKET
from tests.samples import TRACEPARENT, image_id, job_id, uploaded

# As large as a topic takes, its envelope in Kafka included.
LARGEST_BYTES = 1_030_000
DEEP = 200_000


@dataclass(frozen=True)
class Poison:
    """One message.

    Attributes:
        is_event: it is well formed, and its job fails for what is not there.
    """

    kind: str
    value: bytes | None
    key: bytes | None = b"key"
    is_event: bool = False


def poison(seed: int, count: int) -> Iterator[Poison]:
    """Make messages, each kind in turn, in an order and with details that the seed chooses."""
    chooser = Random(seed)
    kinds: list[str] = []
    for _ in range(count):
        if not kinds:
            kinds = chooser.sample(KINDS, len(KINDS))
        yield make(kinds.pop(), chooser)


def make(kind: str, chooser: Random) -> Poison:
    """Make one message of a kind."""
    event = uploaded(f"poison-{chooser.getrandbits(64):016x}")
    key = chooser.choice([event.image_id.encode(), None, b"", b"\xff\xfe", b"k" * 10_000])
    if kind in _EVENTS:
        return Poison(kind, _EVENTS[kind](event).encode(), event.image_id.encode(), is_event=True)
    if kind in _BYTES:
        return Poison(kind, _BYTES[kind](chooser, event.encode()), key)
    cloud_event = event.to_cloud_event()
    if kind in _DATA:
        cloud_event["data"] |= _DATA[kind](event)
    else:
        cloud_event |= _ENVELOPE[kind](event)
    return Poison(kind, json.dumps(cloud_event).encode(), key)


def _instead(old: bytes, new: bytes) -> Callable[[Random, bytes], bytes]:
    def replaced(_: Random, event: bytes) -> bytes:
        assert old in event
        return event.replace(old, new, 1)

    return replaced


def _size(text: str) -> Callable[[Random, bytes], bytes]:
    return _instead(b'"fileSize":1234', b'"fileSize":' + text.encode())


def _path(path: str) -> Callable[[ImageUploaded], dict[str, Any]]:
    return lambda event: {"storagePath": f"{INPUT_BUCKET}/{path.format(image=event.image_id)}"}


def _field(name: str, value: object) -> Callable[[ImageUploaded], dict[str, Any]]:
    return lambda _: {name: value}


# What is made of the bytes of a sound event.
_BYTES: dict[str, Callable[[Random, bytes], bytes | None]] = {
    "nothing": lambda _, __: b"",
    "tombstone": lambda _, __: None,
    "noise": lambda chooser, _: chooser.randbytes(chooser.randint(1, 3000)),
    "terminal codes": lambda _, __: b"\x1b]0;title\x07\x1b[2J",
    "UTF-16": lambda _, event: event.decode().encode("utf-16"),
    "byte order mark": lambda _, event: b"\xef\xbb\xbf" + event,
    "cut": lambda chooser, event: event[: chooser.randrange(1, len(event))],
    "two events": lambda _, event: event + event,
    "packed": lambda _, event: gzip.compress(event, mtime=0),
    "overlong UTF-8": _instead(b"default", b"\xc0\xaf"),
    "surrogate as bytes": _instead(b".jpg", b"\xed\xa0\x80"),
    "deep lists": lambda _, __: b"[" * DEEP,
    "deep and closed": lambda _, __: b"[" * DEEP + b"]" * DEEP,
    "deep objects": lambda _, __: b'{"a":' * DEEP,
    "deep in few bytes": lambda _, __: b"[" * 1500 + b"]" * 1500,
    "deep data": _instead(b'"duplicate":false', b'"duplicate":' + b"[" * 1200 + b"]" * 1200),
    "open string": lambda _, __: b'"' + b'\\"' * 1500,
    "spaces": lambda _, __: b" " * LARGEST_BYTES,
    "much ahead": lambda _, event: b" " * MAX_EVENT_BYTES + event,
    "much of noise": lambda chooser, _: chooser.randbytes(LARGEST_BYTES),
    "digits": lambda _, __: b"7" * 100_000,
    "number": lambda _, __: b"1e999",
    "text": lambda _, __: b'"ImageUploaded"',
    "null": lambda _, __: b"null",
    "list": lambda _, event: b"[" + event + b"]",
    "no object": lambda _, __: b"{}",
    "size beyond floats": _size("1e999"),
    "size of many digits": _size("9" * 3000),
    "size beyond strings": _size("9" * 5000),
    "size that is NaN": _size("NaN"),
    "endless size": _size("-Infinity"),
    "attempt of many digits": _instead(b'"data":', b'"attempt":1' + b"0" * 30 + b',"data":'),
    "attempt beyond floats": _instead(b'"data":', b'"attempt":1e999,"data":'),
    "tenant twice": _instead(b'"tenantId"', b'"tenantId":"other","tenantId"'),
    "data twice": _instead(b'"data"', b'"data":{},"data"'),
    "half a name": _instead(b'"data"', b'"\\ud800":1,"data"'),
}

_TEXTS = (
    "tenantId", "jobId", "imageId", "modelId", "originalFileName", "storagePath", "mimeType",
    "uploadedAt", "storageProvider",
)  # fmt: skip
_OTHER_TYPES: dict[str, object] = {
    "tenantId": ["a"], "jobId": {"a": 1}, "imageId": 7, "fileSize": "12", "duplicate": "false",
    "uploadedAt": None,
}  # fmt: skip

# What is put in the place of a sound event's data.
_DATA: dict[str, Callable[[ImageUploaded], dict[str, Any]]] = {
    **{f"half a pair in {name}": _field(name, "a\ud83d") for name in _TEXTS},
    **{f"{name} of another type": _field(name, value) for name, value in _OTHER_TYPES.items()},
    "job that leads elsewhere": _field("jobId", "../../../x"),
    "job that is a path": _field("jobId", "a/../../failures/x"),
    "job with a line's end": _field("jobId", job_id() + "\n"),
    "job that is too long": _field("jobId", "A" * LARGEST_BYTES),
    "job that was made up": _field("jobId", "AQ" + "A" * 100),
    "job spelled otherwise": lambda event: {"jobId": event.job_id + "="},
    "job of another image": _field("jobId", job_id("another")),
    "job of another model": lambda event: {"modelId": event.model_id + "x"},
    "tenant that leads elsewhere": _field("tenantId", "../other"),
    "tenant in capitals": _field("tenantId", "Default"),
    "tenant with a line's end": _field("tenantId", "default\n"),
    "tenant that looks like one": _field("tenantId", "defau\N{CYRILLIC SMALL LETTER PALOCHKA}t"),
    "tenant that is too long": _field("tenantId", "a" * 64),
    "another tenant's object": _field("tenantId", "other"),
    "image in capitals": lambda event: {"imageId": event.image_id.upper()},
    "another image": _field("imageId", image_id("another")),
    "model that is a path": _field("modelId", "../../current"),
    "object of another tenant": _path("other/{image:.2}/{image}.jpg"),
    "object behind dots": _path("default/../default/{image:.2}/{image}.jpg"),
    "object behind escapes": _path("default/%2e%2e/{image}.jpg"),
    "object with a zero byte": _path("default/{image:.2}/{image}.jpg\0"),
    "object of another type": _path("default/{image:.2}/{image}.png"),
    "type that is none": _field("mimeType", "text/html"),
    "type with a header": _field("mimeType", "image/jpeg\r\nX-Tenant: other"),
    "name with a zero byte": _field("originalFileName", "a\0.jpg"),
    "name with a header": _field("originalFileName", "a\r\nX-Tenant: other"),
    "name that is too long": _field("originalFileName", "a" * (MAX_FILE_NAME_CHARACTERS + 1)),
    "no size": _field("fileSize", 0),
    "size below nothing": _field("fileSize", -(10**18)),
    "size beyond stores": _field("fileSize", 10**18),
    "size that is true": _field("fileSize", True),
    "other store": _field("storageProvider", "file"),
    "time that is none": _field("uploadedAt", "yesterday"),
    "time before all": _field("uploadedAt", "0001-01-01T00:00:00+23:59"),
    "time without a zone": _field("uploadedAt", "2026-01-02T03:04:05"),
    "time with a zero byte": _field("uploadedAt", "2026-01-02\x0003:04:05+00:00"),
}

_ENVELOPE: dict[str, Callable[[ImageUploaded], dict[str, Any]]] = {
    "another event": _field("type", "ImageClassified"),
    "type that is a list": _field("type", ["ImageUploaded"]),
    "no data": _field("data", None),
    "data that is a list": _field("data", []),
    "other specification": _field("specversion", "0.3"),
    "subject that is another": _field("subject", image_id("another")),
    "id with a line's end": _field("id", "a\nb"),
    "trace with a header": _field("traceparent", TRACEPARENT + "\r\nX-Tenant: other"),
    "trace of half a pair": _field("traceparent", TRACEPARENT[:-1] + "\udc00"),
    "trace of zeros": _field("traceparent", f"00-{'0' * 32}-{'0' * 16}-01"),
    "trace that is an object": _field("traceparent", {"a": 1}),
    "attempt that is none": _field("attempt", 0),
    "attempt that is true": _field("attempt", True),
    "attempt beyond budgets": _field("attempt", 10**18),
    "replays below none": _field("replays", -1),
    "replays beyond reason": _field("replays", 10**18),
    "later than time": _field("notbefore", "9999-12-31T23:59:59-23:59"),
    "before time": _field("notbefore", "0001-01-01T00:00:00+23:59"),
    "no moment": _field("notbefore", "later"),
    "moment without a zone": _field("notbefore", "2026-01-02T03:04:05"),
    "moment that is a number": _field("notbefore", 1e300),
    "redelivered perhaps": _field("redelivered", "yes"),
}

# What is an event, and names what is not there.
_EVENTS: dict[str, Callable[[ImageUploaded], ImageUploaded]] = {
    "image that is gone": lambda event: event,
    "image of nobody": lambda event: _of(event, tenant_id="nobody"),
    "model of nobody": lambda event: _of(event, model_id="m" * 100),
    "budget long spent": lambda event: _of(event, attempt=1_000_000),
    "replayed without end": lambda event: _of(event, replays=1_000_000, redelivered=True),
    "name of brackets": lambda event: _of(event, original_file_name="[{" * 100),
    "name of emoji": lambda event: _of(event, original_file_name="\N{GRINNING FACE}" * 255),
    "size of stores": lambda event: _of(event, file_size=2**40),
}


def _of(event: ImageUploaded, **changes: Any) -> ImageUploaded:
    return uploaded(event.original_file_name.removesuffix(".jpg"), **changes)


KINDS = sorted([*_BYTES, *_DATA, *_ENVELOPE, *_EVENTS])
EVENTS = sorted(_EVENTS)
