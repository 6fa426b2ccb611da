"""The calls that tell what became of pictures, and those that end a job or begin it again."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.openapi import codes
from gateway.openapi.operations import JSON, Answer, Document, Operation
from gateway.openapi.schemas import HEAD, IMAGE, LINKS, RESULT, ref
from pipeline.names import READ, UPLOAD

_TAG = "jobs and results"
_CACHED = ("ETag", "Cache-Control")
_UNCHANGED = Answer("`If-None-Match` names the answer that it still is.", {}, _CACHED)
_COMMON = (*codes.EDGE, *codes.NO_BODY, *codes.SCOPED, *codes.PROXIED)
_JOB = ("job-not-found", "job-expired")
# The gateway leads no further with what cannot be a job's id; image-results takes no POST.
_NO_ID = ("method-not-allowed",)
_ERROR = {"code": "damaged-image", "detail": "the PNG file is damaged", "attempts": 1}
_STATES: dict[str, object] = {
    "pending": {**HEAD, "status": "pending"},
    "completed": {**HEAD, "status": "completed", "result": RESULT},
    "failed": {**HEAD, "status": "failed", "error": _ERROR},
    "cancelled": {**HEAD, "status": "cancelled"},
}


def operations() -> Iterator[Operation]:
    """Give every call about a job or an image."""
    yield _state("/api/v1/jobs/{jobId}", "job", _TAG, "")
    yield _state(
        "/api/results/{jobId}",
        "result",
        "other names",
        " Another name of `GET /api/v1/jobs/{jobId}`, for clients of older systems.",
    )
    pending = {"imageId": IMAGE, "modelId": RESULT["modelId"], "status": "pending"}
    body: Document = {"oneOf": [ref("NarrowedResult"), ref("ImagePending")]}
    yield Operation(
        "get",
        "/api/v1/images/{imageId}",
        "image",
        _TAG,
        "The result of a picture",
        "Under the current model, or under that of `model`; `minConfidence` and `maxLabels` leave"
        " labels out.",
        {
            200: Answer(
                "The result, or that there is none yet.",
                {JSON: body},
                (*_CACHED, "X-Cache?"),
                {"completed": RESULT, "pending": pending},
            ),
            304: _UNCHANGED,
        },
        (*_COMMON, "bad-query", "image-not-found", "model-not-found"),
        scope=READ,
        parameters=("imageId", "model", "minConfidence", "maxLabels", "If-None-Match"),
    )
    yield Operation(
        "post",
        "/api/v1/jobs/{jobId}/cancel",
        "cancelJob",
        _TAG,
        "End a job that has not ended",
        "For good: whatever becomes of the picture, the job is `cancelled`. Its other jobs go on.",
        {
            200: Answer(
                "It is cancelled, now or before.",
                {JSON: ref("JobCancelled")},
                (),
                {"cancelled": _STATES["cancelled"]},
            )
        },
        (*_COMMON, *_JOB, *_NO_ID, "job-finished"),
        scope=UPLOAD,
        parameters=("jobId",),
    )
    yield Operation(
        "post",
        "/api/v1/jobs/{jobId}/retry",
        "retryJob",
        _TAG,
        "Begin a failed job again",
        "The same job, with all its attempts.",
        {
            202: Answer(
                "It is pending again.",
                {JSON: ref("Accepted")},
                ("Location",),
                {"accepted": {**HEAD, "status": "accepted", "links": LINKS}},
            )
        },
        (*_COMMON, *_JOB, *_NO_ID, "job-not-failed", "backlog-full", "refused"),
        scope=UPLOAD,
        parameters=("jobId",),
    )


def _state(path: str, name: str, tag: str, more: str) -> Operation:
    return Operation(
        "get",
        path,
        name,
        tag,
        "The state of a job",
        f"pending, completed with its result, failed with its error, or cancelled.{more}",
        {
            200: Answer("Its state.", {JSON: ref("Job")}, (*_CACHED, "X-Cache?"), _STATES),
            304: _UNCHANGED,
        },
        (*_COMMON, *_JOB),
        scope=READ,
        parameters=("jobId", "If-None-Match"),
    )
