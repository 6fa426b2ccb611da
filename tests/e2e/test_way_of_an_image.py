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
import redis
import requests
from PIL import Image

from models import shapes
from pipeline import ids, topics
from pipeline.manifest import Manifest
from tests import pictures
from tests.kafka import events_of
from tests.stack import ROOT, Stack, until

SCHEMAS = ROOT / "docs" / "schemas"
EXAMPLE = ROOT / "models" / "demonstration" / "example.png"


@pytest.fixture(scope="module")
def photo() -> bytes:
    """A picture nobody has uploaded before."""
    return pictures.with_nonce(pictures.jpeg(320, 240), os.urandom(8))


@pytest.fixture(scope="module")
def accepted(stack: Stack, photo: bytes) -> dict[str, Any]:
    """The 202 of that picture, once it is completed."""
    response = stack.request("POST", "/api/v1/images", files={"file": ("shape one.jpg", photo)})
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
    response = stack.upload(EXAMPLE.read_bytes(), Prefer="wait=10")

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
    (event,) = events_of(stack, topics.UPLOADS.name, accepted["imageId"])

    validate(event, "image-uploaded")
    assert event["data"]["jobId"] == accepted["jobId"]
    assert event["data"]["fileSize"] == len(photo)
    assert event["data"]["mimeType"] == "image/jpeg"
    assert len(json.dumps(event)) < 4096


def test_the_result_event_names_the_stored_result(
    stack: Stack, accepted: dict[str, Any], manifest: Manifest
) -> None:
    (event,) = events_of(stack, topics.RESULTS.name, accepted["imageId"])

    key = ids.result_key("default", accepted["imageId"], manifest.model_id)
    assert event["type"] == "ImageClassified"
    assert event["data"]["storagePath"] == f"classification-results/{key}"


def test_one_trace_leads_from_the_request_to_the_result(stack: Stack) -> None:
    trace = os.urandom(16).hex()

    response = stack.upload(
        pictures.fresh("a trace"), traceparent=f"00-{trace}-00f067aa0ba902b7-01"
    )
    body = response.json()
    result = stack.finished(body["jobId"])["result"]
    (event,) = events_of(stack, topics.UPLOADS.name, body["imageId"])

    assert response.headers["X-Trace-Id"] == trace
    assert event["traceparent"].split("-")[1] == trace
    assert isinstance(result, dict)
    assert result["traceId"] == trace


def _cache(stack: Stack) -> redis.Redis:
    return redis.Redis.from_url(stack.settings.redis_url)


def test_the_answer_is_the_same_from_cache_from_store_and_without_redis(
    stack: Stack, accepted: dict[str, Any]
) -> None:
    path = accepted["links"]["job"]

    # Functions that found Redis frozen, in a test before, leave it alone for a second.
    warm = until(lambda: got if (got := stack.get(path)).headers["X-Cache"] == "hit" else None)
    with _cache(stack) as cache:
        lifetimes = [cache.ttl(key) for key in cache.keys(f"*{accepted['imageId']}*")]
        cache.flushall()
        cold = stack.get(path)
    with stack.frozen("redis"):
        without = stack.get(path)

    assert [each.status_code for each in (warm, cold, without)] == [200, 200, 200]
    assert warm.text == cold.text == without.text
    assert [each.headers["X-Cache"] for each in (warm, cold)] == ["hit", "miss"]
    assert all(1 <= seconds <= 3600 for seconds in lifetimes)
    assert lifetimes


def test_redis_heals(stack: Stack, accepted: dict[str, Any]) -> None:
    with stack.frozen("redis"):
        stack.get(accepted["links"]["job"])

    until(lambda: stack.get(accepted["links"]["job"]).headers["X-Cache"] == "hit", 10)


def _inferences(stack: Stack) -> float:
    metrics = requests.get(f"{stack.provider_url}/function/image-classifier/metrics", timeout=10)
    found = re.search(r"^image_inferences_total (\S+)", metrics.text, re.MULTILINE)
    assert found, metrics.text
    return float(found.group(1))


def test_ten_equal_photos_at_once_are_one_object_one_inference_ten_jobs(stack: Stack) -> None:
    photo = pictures.fresh("ten at once")
    before = _inferences(stack)

    def send(number: int) -> dict[str, Any]:
        response = stack.request(
            "POST", "/api/v1/images", files={"file": (f"name-{number}.jpg", photo)}
        )
        assert response.status_code == 202, response.text
        body: dict[str, Any] = response.json()
        return body

    with ThreadPoolExecutor(10) as pool:
        jobs = list(pool.map(send, range(10)))
    states = [stack.finished(job["jobId"])["status"] for job in jobs]

    image = jobs[0]["imageId"]
    stored = list(stack.store.keys("input-images", ids.input_key("default", image, "")))
    assert len({job["jobId"] for job in jobs}) == 10
    assert states == ["completed"] * 10
    assert len(stored) == 1
    assert _inferences(stack) - before == 1


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
        response = stack.upload(pictures.encode(shape, "PNG"), Prefer="wait=10")
        right += response.json()["result"]["labels"][0]["label"] == shapes.LABELS[index]

    assert right >= 18
