"""What cannot work is refused at the door, by name, and leaves nothing behind."""

from __future__ import annotations

import base64
import gzip
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
import requests

from pipeline import ids
from pipeline.kafka import topics
from pipeline.storage.cache import ResultCache
from tests import pictures, tokens
from tests.chaos import evidence
from tests.kafka import count_accepted, count_events, events_of, read_topic
from tests.sending import accepted, publish
from tests.stack import Stack, until

pytestmark = pytest.mark.usefixtures("quiet")

UPLOADS = "/api/v1/images"
JPEG = pictures.fresh("bad input")


@dataclass(frozen=True)
class Bad:
    """A request that is refused, and how."""

    status: int
    code: str
    says: str
    method: str = "POST"
    path: str = UPLOADS
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


BAD = {
    "empty body": Bad(400, "empty-body", "the body is empty"),
    "text named .jpg": Bad(
        415, "unsupported-format", "JPEG, PNG, WebP, GIF or BMP", body=b"this is a text",
        headers={"Content-Type": "image/jpeg", "Content-Disposition": 'x; filename="cat.jpg"'},
    ),
    "jpeg cut off": Bad(422, "truncated-image", "cut off", body=JPEG[:-2]),
    "png cut off": Bad(
        422, "truncated-image", "cut off", body=pictures.png_claiming(64, 64)[:-12]
    ),
    "over 20 MB": Bad(413, "image-too-large", "20,000,000", body=JPEG + bytes(20_000_000)),
    "far over 20 MB": Bad(413, "image-too-large", "20,000,000", body=bytes(30_000_000)),
    "over 40 megapixels": Bad(
        422, "too-many-pixels", "the limit is 40 MP", body=pictures.png_claiming(10_000, 5_000)
    ),
    "side under 16 pixels": Bad(
        422, "image-too-small", "the smallest allowed side is 16", body=pictures.jpeg(400, 15)
    ),
    "no key": Bad(401, "unauthorized", "no key", body=JPEG, headers={"X-Api-Key": ""}),
    "wrong key": Bad(401, "unauthorized", "not known", body=JPEG, headers={"X-Api-Key": "x"}),
    "no key for a job": Bad(
        401, "unauthorized", "no key", "GET", "/api/v1/jobs/x", headers={"X-Api-Key": ""}
    ),
    "no key for a function": Bad(
        401, "unauthorized", "no key", "POST", "/function/image-classifier", JPEG,
        {"X-Api-Key": ""},
    ),
    "unknown job": Bad(404, "job-not-found", "no such job", "GET", "/api/v1/jobs/unknown"),
    "forged job": Bad(
        404, "job-not-found", "no such job", "GET",
        "/api/v1/jobs/" + ids.JobIds("not the key").issue(
            "default", "0" * 64, "m", datetime.now(UTC)
        ),
    ),
    "unknown image": Bad(404, "image-not-found", "no such image", "GET", f"{UPLOADS}/{'0' * 64}"),
    "an image id that is none": Bad(
        404, "image-not-found", "64 lower-case", "GET", f"{UPLOADS}/short"
    ),
    "wrong method for uploads": Bad(405, "method-not-allowed", "GET", "GET"),
    "wrong method for jobs": Bad(405, "method-not-allowed", "DELETE", "DELETE", "/api/v1/jobs/x"),
    "unknown path": Bad(404, "not-found", "nothing at this path", "GET", "/api/v2/images"),
    "a function's metrics": Bad(
        404, "not-found", "nothing at this path", "GET", "/function/image-upload/metrics"
    ),
    "a query that makes no sense": Bad(
        400, "bad-query", "minConfidence", "GET", f"{UPLOADS}/{'0' * 64}?minConfidence=high"
    ),
    "a form without a file": Bad(
        400, "bad-form", "send 1 to 16", body=b"--b--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    ),
    "a number of Python's": Bad(
        400, "bad-query", "minConfidence", "GET", f"{UPLOADS}/{'0' * 64}?minConfidence=0_1"
    ),
    "a query that says two things": Bad(
        400, "bad-query", "maxLabels", "GET", f"{UPLOADS}/{'0' * 64}?maxLabels=1&maxLabels=2"
    ),
    "a body to be inflated": Bad(
        415, "unsupported-encoding", "gzip", body=gzip.compress(JPEG),
        headers={"Content-Encoding": "gzip"},
    ),
    "a body that is said to be inflated": Bad(
        415, "unsupported-encoding", "x-none", body=JPEG, headers={"Content-Encoding": "x-none"}
    ),
    "a form with endless headers": Bad(
        400, "bad-form", "header count", body=b"--b\r\n" + b"X-A: b\r\n" * 100_000,
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    ),
    "a form that is cut off": Bad(
        400, "bad-form", "Unexpected end",
        body=b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + JPEG,
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    ),
    "references from outside": Bad(
        403, "references-refused", "from inside only", "POST", "/function/image-classifier",
        b"[]", {"Content-Type": "application/cloudevents-batch+json"},
    ),
}  # fmt: skip


def _left_behind(stack: Stack) -> tuple[int, int, int]:
    """Count objects, events and dead letters."""
    objects = sum(1 for bucket in ids.BUCKETS for _ in stack.store.keys(bucket, ""))
    events = count_accepted(stack)
    return objects, events, count_events(stack, topics.FAILURES.name)


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_by_name_and_nothing_is_left_behind(stack: Stack, name: str) -> None:
    bad = BAD[name]
    until(lambda: evidence.lag(stack) == 0)  # what other tests sent has left all that it leaves
    before = _left_behind(stack)

    response = stack.request(bad.method, bad.path, data=bad.body, headers=bad.headers)

    assert response.status_code == bad.status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"].endswith(f":{bad.code}")
    assert problem["status"] == bad.status
    assert bad.says in problem["detail"]
    assert problem["traceId"] == response.headers["X-Trace-Id"]
    assert _left_behind(stack) == before


def test_a_token_is_of_no_use_from_outside(stack: Stack) -> None:
    claimed = {"X-Api-Key": "", **tokens.of_gateway(stack.settings, "image-upload")}

    assert stack.request("POST", UPLOADS, data=JPEG, headers=claimed).status_code == 401


@pytest.mark.parametrize("name", ["image-upload", "image-classifier", "image-results"])
def test_functions_refuse_whoever_goes_round_the_gateway(stack: Stack, name: str) -> None:
    path = "/jobs/x" if name == "image-results" else ""
    method = "GET" if name == "image-results" else "POST"

    response = requests.request(
        method,
        f"{stack.provider_url}/function/{name}{path}",
        data=JPEG,
        headers={"X-Tenant": "default"},
        timeout=60,
    )

    assert response.status_code == 401


def test_damage_that_only_decoding_finds_fails_after_one_attempt(stack: Stack) -> None:
    job = accepted(stack, pictures.damaged_inside(os.urandom(8)))
    job_id, image_id = job["jobId"], job["imageId"]

    state = stack.finished(job_id)
    until(lambda: evidence.lag(stack) == 0)  # the state is told before the letter is written
    (letter,) = events_of(stack, topics.FAILURES.name, image_id)

    error = state["error"]
    assert state["status"] == "failed"
    assert isinstance(error, dict)
    assert error["code"] == "damaged-image"
    assert "damaged" in error["detail"]
    assert error["attempts"] == 1
    assert letter["data"]["originalEvent"]["data"]["jobId"] == job_id
    assert events_of(stack, topics.RETRY.name, image_id) == []


def test_a_message_that_is_no_event_does_not_stop_those_behind_it(stack: Stack) -> None:
    no_event = b"\xff not an event " + os.urandom(8)
    publish(stack, topics.UPLOADS.name, no_event, "a", "b", "c", "d", "e", "f")

    job = accepted(stack, pictures.fresh("behind it"))
    state = stack.finished(job["jobId"])
    until(lambda: evidence.lag(stack) == 0)

    unreadable = {
        record.key  # where the message lay: a letter that is written twice is one
        for record in read_topic(stack, topics.FAILURES.name)
        if record.event["data"].get("originalBytes") == base64.b64encode(no_event).decode()
    }
    assert state["status"] == "completed", state
    assert len(unreadable) == 6


def test_a_cached_result_of_another_tenant_is_not_shown(stack: Stack) -> None:
    image = os.urandom(32).hex()
    ResultCache(stack.settings).put("other", image, "m-1", b'{"labels":[]}')

    assert stack.get(f"{UPLOADS}/{image}?model=m-1").status_code == 404


def test_a_result_under_an_invented_model_is_not_awaited(stack: Stack) -> None:
    image = stack.upload(pictures.fresh("invented model")).json()["imageId"]

    response = stack.get(f"{UPLOADS}/{image}?model=invented-0123456789ab")

    assert (response.status_code, response.json()["found"]) == (404, "invented-0123456789ab")
    assert response.json()["type"].endswith(":model-not-found")


def test_an_unhandled_method_is_a_problem_too(stack: Stack) -> None:
    response = stack.request("TRACE", UPLOADS)

    assert response.status_code == 405
    assert response.headers["Content-Type"] == "application/problem+json"
