"""What image-results says of jobs and images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipeline import ids
from pipeline.errors import NotFound, Rejected, Unavailable
from pipeline.storage.cancellations import Cancellations
from pipeline.storage.results import Results
from published import PublishedModels
from states import States
from tests.fakes import MemoryCache, MemoryStore

IMAGE = ids.image_id(b"bytes")
MODEL = "demonstration-0123456789ab"
KEY = ("default", IMAGE, MODEL)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
RESULT = {
    "imageId": IMAGE,
    "labels": [{"label": "star", "score": 0.9}, {"label": "o", "score": 0.1}],
}


class Bench:
    """States over fakes, one job accepted."""

    def __init__(self) -> None:
        self.store, self.cache = MemoryStore(), MemoryCache()
        self.job_ids = ids.JobIds("key")
        self.results = Results(self.store, self.cache)
        self.now, self.seconds = NOW, 0.0
        self.states = States(
            self.results,
            self.store,
            PublishedModels(self.store, MODEL, lambda: self.seconds),
            self.job_ids,
            timedelta(days=30),
            Cancellations(self.store),
            lambda: self.now,
        )
        self.job_id = self.job_ids.issue("default", IMAGE, MODEL, NOW)

    def complete(self) -> None:
        self.results.save_many({KEY: json.dumps(RESULT).encode()})

    def store_image(self) -> None:
        self.store.put("input-images", ids.input_key("default", IMAGE, "jpg"), b"", "image/jpeg")

    def publish(self, model: str) -> None:
        self.store.put("models", f"{model}/model.json", b"{}", "application/json")

    def fail(self) -> None:
        error = {"code": "damaged-image", "detail": "why", "attempts": 1}
        body = json.dumps({"error": error}).encode()
        self.results.save_failure("default", self.job_id, body)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_accepted_job_without_an_answer_is_pending(bench: Bench) -> None:
    body = bench.states.job("default", bench.job_id).body

    assert body == {"jobId": bench.job_id, "imageId": IMAGE, "status": "pending"}


def test_a_completed_job_carries_its_result(bench: Bench) -> None:
    bench.complete()

    answer = bench.states.job("default", bench.job_id)

    assert answer.body["status"] == "completed"
    assert answer.body["result"] == RESULT


def test_a_failed_job_says_why(bench: Bench) -> None:
    bench.fail()

    body = bench.states.job("default", bench.job_id).body

    assert body["status"] == "failed"
    assert body["error"]["detail"] == "why"


def test_a_completed_result_beats_a_failure(bench: Bench) -> None:
    bench.fail()
    bench.complete()

    assert bench.states.job("default", bench.job_id).body["status"] == "completed"


def test_the_answer_is_the_same_from_cache_and_store(bench: Bench) -> None:
    bench.complete()
    cached = bench.states.job("default", bench.job_id)
    bench.cache.values.clear()
    stored = bench.states.job("default", bench.job_id)
    again = bench.states.job("default", bench.job_id)

    sources = [answer.found.x_cache for answer in (cached, stored, again) if answer.found]
    assert cached.body == stored.body == again.body
    assert sources == ["hit", "miss", "hit"]


def test_a_stored_result_is_never_overwritten(bench: Bench) -> None:
    bench.complete()

    kept = bench.results.save_many({KEY: b'{"other":1}'})[KEY]

    assert json.loads(kept) == RESULT


def test_a_job_past_its_retention_is_gone(bench: Bench) -> None:
    bench.now = NOW + timedelta(days=31)

    with pytest.raises(Rejected) as refused:
        bench.states.job("default", bench.job_id)

    assert refused.value.status == 410


def test_a_store_that_is_down_is_no_pending(bench: Bench) -> None:
    bench.store.down = True

    with pytest.raises(Unavailable):
        bench.states.job("default", bench.job_id)


def test_a_stored_image_without_a_result_is_pending(bench: Bench) -> None:
    bench.store_image()

    body = bench.states.image("default", IMAGE, MODEL).body

    assert body == {"imageId": IMAGE, "modelId": MODEL, "status": "pending"}


def test_a_result_under_a_model_that_was_never_published_is_not_awaited(bench: Bench) -> None:
    bench.store_image()

    with pytest.raises(NotFound) as refused:
        bench.states.image("default", IMAGE, "invented-0123456789ab")

    assert (refused.value.code, refused.value.found) == ("model-not-found", "invented-0123456789ab")


def test_a_result_under_another_published_model_is_awaited(bench: Bench) -> None:
    bench.store_image()
    bench.publish("other")

    assert bench.states.image("default", IMAGE, "other").body["status"] == "pending"


def test_a_model_is_known_a_second_after_it_was_published(bench: Bench) -> None:
    bench.store_image()
    with pytest.raises(NotFound):
        bench.states.image("default", IMAGE, "other")
    bench.publish("other")
    bench.seconds += 1

    assert bench.states.image("default", IMAGE, "other").body["status"] == "pending"


def test_guessing_models_costs_the_store_one_listing_a_second(bench: Bench) -> None:
    models = PublishedModels(bench.store, MODEL, lambda: bench.seconds)
    listings = 0
    folders = bench.store.folders

    def counted(bucket: str, prefix: str) -> Iterator[str]:
        nonlocal listings
        listings += 1
        return folders(bucket, prefix)

    bench.store.folders = counted  # type: ignore[method-assign]
    for guess in range(100):
        with pytest.raises(NotFound):
            models.require(f"guess-{guess}")

    assert listings == 1


def test_a_result_of_a_model_that_is_gone_is_still_found(bench: Bench) -> None:
    bench.results.save_many({("default", IMAGE, "gone"): b'{"modelId":"gone"}'})

    assert bench.states.image("default", IMAGE, "gone").body == {"modelId": "gone"}


@pytest.mark.parametrize("image", [IMAGE, "short", "../" + IMAGE, IMAGE.upper()])
def test_an_image_that_is_not_there_is_not_found(bench: Bench, image: str) -> None:
    with pytest.raises(NotFound):
        bench.states.image("default", image, MODEL)


def test_another_tenants_image_is_not_found(bench: Bench) -> None:
    bench.complete()

    with pytest.raises(NotFound):
        bench.states.image("other", IMAGE, MODEL)
