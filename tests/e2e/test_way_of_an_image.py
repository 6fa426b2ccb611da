"""One picture from upload to label, and what is left of it in every part."""

from __future__ import annotations

import hashlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import jsonschema
import pytest
import requests
from PIL import Image

from models import shapes
from pipeline import ids
from pipeline.kafka import topics
from pipeline.models.manifest import Manifest
from tests import pictures
from tests.chaos import evidence
from tests.kafka import events_of
from tests.stack import ROOT, Stack, until

pytestmark = pytest.mark.timeout(900)

SCHEMAS = ROOT / "docs" / "schemas"
EXAMPLE = ROOT / "models" / "demonstration" / "example.png"


def sent(stack: Stack, name: str, data: bytes) -> requests.Response:
    """The answer to an upload that is not told to come again, as a busy machine says."""

    def send() -> requests.Response | None:
        answer = stack.request("POST", "/api/v1/images", files={"file": (name, data)})
        return None if answer.status_code in (429, 503) else answer

    return until(send)


def event_of(stack: Stack, job: dict[str, Any], *wanted: topics.Topic) -> dict[str, Any]:
    """The one event of a job; the image may have others, of uploads that were refused late."""
    found = [event for topic in wanted for event in events_of(stack, topic.name, job["imageId"])]
    (event,) = [each for each in found if each["data"]["jobId"] == job["jobId"]]
    return event


@pytest.fixture(scope="module")
def photo() -> bytes:
    """A picture nobody has uploaded before."""
    return pictures.with_nonce(pictures.jpeg(320, 240), os.urandom(8))


@pytest.fixture(scope="module")
def accepted(stack: Stack, photo: bytes) -> dict[str, Any]:
    """The 202 of that picture, once it is completed."""
    response = sent(stack, "shape one.jpg", photo)
    assert response.status_code == 202, response.text
    body: dict[str, Any] = response.json()
    assert response.headers["Location"] == body["links"]["job"]
    assert stack.finished(body["jobId"])["status"] == "completed"
    return body


@pytest.fixture(scope="module")
def manifest(stack: Stack) -> Manifest:
    """What the served model says of itself."""
    current = stack.store.get("models", "current")
    assert current is not None
    found = stack.store.get("models", f"{current.decode()}/model.json")
    assert found is not None
    return Manifest.from_json(found)


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text())


def validate(instance: object, name: str) -> None:
    checker = jsonschema.FormatChecker()
    jsonschema.validate(instance, schema(name), format_checker=checker)


def test_the_example_picture_gets_its_label(stack: Stack) -> None:
    response = stack.upload(EXAMPLE.read_bytes(), Prefer="wait=30")

    assert response.status_code == 200, response.text
    assert response.headers["Preference-Applied"] == "wait"
    assert response.json()["status"] == "completed"
    result = response.json()["result"]
    assert result["model"]["demonstration"] is True
    assert result["labels"][0]["label"] == "star"
    assert result["labels"][0]["score"] > 0.9


def test_the_image_id_is_the_digest_of_what_was_sent(
    accepted: dict[str, Any], photo: bytes
) -> None:
    assert accepted["imageId"] == hashlib.sha256(photo).hexdigest()
    assert accepted["status"] == "accepted"


def test_the_stored_object_is_what_was_sent(
    stack: Stack, accepted: dict[str, Any], photo: bytes
) -> None:
    stored = stack.store.get("input-images", ids.input_key("default", accepted["imageId"], "jpg"))

    assert stored == photo


def test_the_processed_picture_is_what_the_model_saw(
    stack: Stack, accepted: dict[str, Any], manifest: Manifest
) -> None:
    key = ids.processed_key("default", accepted["imageId"], manifest.preprocessing_name)
    stored = stack.store.get("processed-images", key)

    assert stored is not None
    with Image.open(BytesIO(stored)) as picture:
        assert picture.size == (manifest.input.width, manifest.input.height)


def test_the_stored_result_fits_its_schema(
    stack: Stack, accepted: dict[str, Any], manifest: Manifest
) -> None:
    key = ids.result_key("default", accepted["imageId"], manifest.model_id)
    stored = stack.store.get("classification-results", key)

    assert stored is not None
    validate(json.loads(stored), "classification-result")
    assert json.loads(stored)["originalFileName"] == "shape one.jpg"


def test_the_event_is_a_small_cloud_event_with_all_fields(
    stack: Stack, accepted: dict[str, Any], photo: bytes
) -> None:
    event = event_of(stack, accepted, *topics.ACCEPTED)

    validate(event, "image-uploaded")
    assert event["data"]["jobId"] == accepted["jobId"]
    assert event["data"]["fileSize"] == len(photo)
    assert event["data"]["mimeType"] == "image/jpeg"
    assert len(json.dumps(event)) < 4096


def test_the_result_event_names_the_stored_result(
    stack: Stack, accepted: dict[str, Any], manifest: Manifest
) -> None:
    # The result is stored before its event is sent.
    until(lambda: evidence.lag(stack) == 0)
    event = event_of(stack, accepted, topics.RESULTS)

    key = ids.result_key("default", accepted["imageId"], manifest.model_id)
    assert event["type"] == "ImageClassified"
    assert event["data"]["storagePath"] == f"classification-results/{key}"


def test_one_trace_leads_from_the_request_to_the_result(stack: Stack) -> None:
    trace = os.urandom(16).hex()

    parent, data = f"00-{trace}-00f067aa0ba902b7-01", pictures.fresh("a trace")
    response = until(
        lambda: it if (it := stack.upload(data, traceparent=parent)).status_code == 202 else None
    )
    body = response.json()
    result = stack.finished(body["jobId"])["result"]
    event = event_of(stack, body, *topics.ACCEPTED)

    assert response.headers["X-Trace-Id"] == trace
    assert event["traceparent"].split("-")[1] == trace
    assert isinstance(result, dict)
    assert result["traceId"] == trace


def _inferences(stack: Stack) -> float:
    told = stack.metrics_of("image-classifier")
    found = [re.search(r"^image_inferences_total (\S+)", text, re.MULTILINE) for text in told]
    assert all(found), told
    return sum(float(each.group(1)) for each in found if each)


def test_ten_equal_photos_at_once_are_one_object_one_inference_ten_jobs(
    stack: Stack, quiet: None
) -> None:
    photo = pictures.fresh("ten at once")
    consumers = len(stack.pids("image-process-consumer"))

    def send(number: int) -> dict[str, Any]:
        response = sent(stack, f"name-{number}.jpg", photo)
        assert response.status_code == 202, response.text
        body: dict[str, Any] = response.json()
        return body

    with stack.scaled_by_nobody():
        before = _inferences(stack)
        with ThreadPoolExecutor(10) as pool:
            jobs = list(pool.map(send, range(10)))
        states = [stack.finished(job["jobId"])["status"] for job in jobs]
        until(lambda: evidence.lag(stack) == 0)  # the first result is that of all ten
        after = _inferences(stack)

    image = jobs[0]["imageId"]
    stored = list(stack.store.keys("input-images", ids.input_key("default", image, "")))
    assert len({job["jobId"] for job in jobs}) == 10
    assert states == ["completed"] * 10
    assert len(stored) == 1
    # Ten at once are more than a tenant's share: two lanes, which two consumers may read at once.
    assert 1 <= after - before <= consumers


def test_an_image_is_answered_by_its_id_and_filtered(
    stack: Stack, accepted: dict[str, Any]
) -> None:
    path = accepted["links"]["image"]

    whole = stack.get(path).json()
    first = stack.get(f"{path}?maxLabels=1").json()
    none = stack.get(f"{path}?minConfidence=1").json()

    assert len(whole["labels"]) == 5
    assert first["labels"] == whole["labels"][:1]
    assert none["labels"] == []


def test_freshly_drawn_shapes_get_their_names(stack: Stack) -> None:
    right = 0
    for shape, index in shapes.pictures(seed=900_000, count=20, width=320, height=240):
        job: Any = stack.finished(sent(stack, "a", pictures.encode(shape, "PNG")).json()["jobId"])
        right += job["result"]["labels"][0]["label"] == shapes.LABELS[index]

    assert right >= 18


def test_a_large_file_is_accepted_again_when_it_is_there(stack: Stack) -> None:
    photo = pictures.jpeg()
    for _ in range(290):  # of comments, each nearly as long as one may be
        photo = pictures.with_nonce(photo, os.urandom(65_000))
    first = sent(stack, "large.jpg", photo).json()

    second = sent(stack, "large.jpg", photo)

    assert second.status_code == 202
    assert second.json()["imageId"] == first["imageId"]
    assert stack.finished(first["jobId"])["status"] == "completed"
    assert stack.finished(second.json()["jobId"])["status"] == "completed"
