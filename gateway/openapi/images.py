"""The calls that take pictures."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.openapi import codes
from gateway.openapi.operations import JSON, Answer, Document, Operation
from gateway.openapi.schemas import HEAD, JOB, LINKS, RESULT, SEEN, example_problem, ref
from pipeline.images import formats
from pipeline.limits import Limits
from pipeline.names import UPLOAD
from pipeline.settings import Settings

_TAG = "images"
_FORM = "multipart/form-data"
# Whatever a client calls a picture: its type is what its bytes are.
_ANY = "application/octet-stream"
_ACCEPTED = {**HEAD, "status": "accepted", "links": LINKS}
_COMPLETED = {**HEAD, "status": "completed", "result": RESULT}
_AGAIN = ("Idempotent-Replayed?",)
_STORED = (
    *codes.EDGE,
    *codes.SCOPED,
    *codes.PROXIED,
    *codes.PICTURE,
    *("bad-form", "body-too-large", "unsupported-transfer-encoding", "refused", "backlog-full"),
    "over-quota",
    *("bad-idempotency-key", "idempotency-key-in-use", "idempotency-key-reused"),
)
_LABELLED = (
    *codes.EDGE,
    *codes.SCOPED,
    *codes.PROXIED,
    *codes.PICTURE,
    *("body-too-large", "busy", "refused", "references-refused"),
)


def operations(limits: Limits, settings: type[Settings]) -> Iterator[Operation]:
    """Give every call that takes a picture, with the limits of this stack."""
    most = f"{limits.max_image_bytes:,} bytes"
    kinds = ", ".join(kind.shown for kind in formats.FORMATS)
    files = settings.max_files_per_request
    allowed = (
        f"{kinds} of up to {most} and `MAX_IMAGE_PIXELS` ({settings.max_image_pixels:,}), at least"
        f" `MIN_IMAGE_SIDE_PIXELS` ({settings.min_image_side_pixels}) pixels a side; the type is"
        " what the bytes are."
    )
    taken = _answers()
    yield Operation(
        "post",
        "/api/v1/images",
        "uploadImages",
        _TAG,
        "Send a picture, or several",
        f"{allowed} The body is the picture, or a form with 1 to `MAX_FILES_PER_REQUEST` ({files})"
        " fields `file`. 202 is answered when the picture is stored and its event is written."
        " With `Prefer: wait=N` the answer is 200 with the result, if it is there within N seconds."
        " Of several files it is 207, with an entry for each. An upload may always be sent again;"
        " with the same `Idempotency-Key` it is the same submission.",
        {
            200: taken[200],
            202: taken[202],
            207: Answer(
                "Several files: one entry for each, in their order.",
                {JSON: ref("Several")},
                ("Preference-Applied?", "Retry-After?", *_AGAIN),
                {"mixed": {"images": _entries()}},
            ),
        },
        _STORED,
        scope=UPLOAD,
        parameters=("Prefer", "Idempotency-Key", "Content-Disposition"),
        body={_FORM: _form(files), **_pictures()},
        is_body_needed=True,
    )
    yield Operation(
        "post",
        "/upload/",
        "uploadAndWait",
        "other names",
        "Send one JPEG or PNG and wait for its labels",
        "Another name of `POST /api/v1/images`, for clients of older systems: it waits by itself,"
        f" as long as `Prefer` or `MAX_WAIT_SECONDS` ({settings.max_wait_seconds}) says. `dag_id`"
        f" names a workflow and comes back as `dagId`. JPEG or PNG of up to {most}.",
        {200: taken[200], 202: taken[202]},
        _STORED,
        scope=UPLOAD,
        parameters=("Prefer", "Idempotency-Key", "Content-Disposition"),
        body={_FORM: _form(1, dag=True), **_pictures()},
        is_body_needed=True,
    )
    short = Answer(
        "It is accepted.",
        {JSON: ref("Short")},
        ("Location", *_AGAIN),
        {"accepted": {"jobId": JOB, "status": "accepted"}},
    )
    yield Operation(
        "post",
        "/api/classify",
        "classifyLater",
        "other names",
        "Send one picture and get its job",
        f"Another name of `POST /api/v1/images`, for clients of older systems. {allowed}",
        {202: short},
        _STORED,
        scope=UPLOAD,
        parameters=("Idempotency-Key", "Content-Disposition"),
        body={_FORM: _form(1), **_pictures()},
        is_body_needed=True,
    )
    yield Operation(
        "post",
        "/function/image-classifier",
        "classifyNow",
        _TAG,
        "Label a picture at once, and store nothing",
        f"The body is the picture. {allowed}",
        {200: Answer("Its labels.", {JSON: ref("Seen")}, (), {"star": SEEN})},
        _LABELLED,
        scope=UPLOAD,
        body=_pictures(),
        is_body_needed=True,
    )


def _answers() -> dict[int, Answer]:
    return {
        200: Answer(
            "It was waited for, and here is the result.",
            {JSON: ref("Completed")},
            ("Location", "Preference-Applied", "X-Cache", *_AGAIN),
            {"completed": _COMPLETED},
        ),
        202: Answer(
            "It is accepted: it will end as completed or failed. Ask at `Location`.",
            {JSON: ref("Accepted")},
            ("Location", *_AGAIN),
            {"accepted": _ACCEPTED},
        ),
    }


def _entries() -> list[Document]:
    refused = example_problem(codes.known()["unsupported-format"])
    return [
        {"fileName": "a.jpg", "httpStatus": 202, **_ACCEPTED},
        {"fileName": "b.jpg", "httpStatus": 200, **_COMPLETED},
        {"fileName": "c.txt", "httpStatus": 415, "status": "refused", "problem": refused},
    ]


def _pictures() -> dict[str, Document]:
    body: Document = {"schema": {"type": "string", "format": "binary"}}
    return {**{kind.mime_type: body for kind in formats.FORMATS}, _ANY: body}


def _form(files: int, *, dag: bool = False) -> Document:
    one: Document = {"type": "string", "format": "binary"}
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": files}
    properties: Document = {"file": one if files == 1 else several}
    if dag:
        properties["dag_id"] = {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,250}$"}
    return {"schema": {"type": "object", "required": ["file"], "properties": properties}}
