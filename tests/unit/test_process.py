"""What becomes of a batch, whatever the classifier and Kafka do."""

from __future__ import annotations

import json

import pytest

from deliveries import read
from invoke import CallFailed
from pipeline.consuming.progress import Mark
from pipeline.errors import Unavailable
from pipeline.events.cloudevents import Origin, decode_uploaded
from pipeline.kafka import topics
from tests.processing import NOW, Bench, deliver
from tests.samples import uploaded


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_completed_image_becomes_a_result_event(bench: Bench) -> None:
    event = uploaded()

    unfinished = bench.processor.process(deliver(event))

    (value,) = bench.broker.values(topics.RESULTS.name)
    assert unfinished == []
    assert json.loads(value)["data"]["jobId"] == event.job_id
    assert json.loads(value)["data"]["labels"][0]["label"] == "star"


def test_an_undecodable_image_is_dead_lettered_after_one_attempt(bench: Bench) -> None:
    event = uploaded()
    error = {"code": "damaged-image", "detail": "the PNG file is damaged"}
    bench.classifier.script[event.image_id] = {"status": "invalid", "error": error}

    unfinished = bench.processor.process(deliver(event, uploaded("b")))

    (letter,) = bench.broker.values(topics.FAILURES.name)
    assert unfinished == []
    assert json.loads(letter)["data"]["reason"] == error
    assert json.loads(letter)["data"]["originalEvent"] == event.to_cloud_event()
    assert bench.failure(event)["error"] == {**error, "attempts": 1}
    assert len(bench.broker.values(topics.RESULTS.name)) == 1
    assert len(bench.classifier.calls) == 1


def test_bytes_that_are_no_event_are_dead_lettered(bench: Bench) -> None:
    bad = read(b"not an event", Origin("image-uploads", 1, 7), redelivered=False)

    unfinished = bench.processor.process([bad, *deliver(uploaded())])

    (letter,) = bench.broker.values(topics.FAILURES.name)
    assert unfinished == []
    assert json.loads(letter)["data"]["originOffset"] == 7
    assert json.loads(letter)["data"]["stage"] == "read"
    assert len(bench.broker.values(topics.RESULTS.name)) == 1


def test_a_batch_that_fails_whole_is_tried_one_by_one(bench: Bench) -> None:
    good, poison, other = uploaded("good"), uploaded("poison"), uploaded("other")
    bench.classifier.script[poison.image_id] = CallFailed("image-classifier answered 500")

    unfinished = bench.processor.process(deliver(good, poison, other))

    (again,) = bench.broker.values(topics.RETRY.name)
    assert unfinished == []
    assert len(bench.broker.values(topics.RESULTS.name)) == 2
    assert decode_uploaded(again).job_id == poison.job_id
    assert decode_uploaded(again).attempt == 2


@pytest.mark.parametrize("begun", [2, 5], ids=["found out", "died while writing it down"])
def test_a_deadly_image_never_costs_more_than_its_budget(bench: Bench, begun: int) -> None:
    event = uploaded()
    origin = Origin("image-uploads", 0, 0)
    died = Mark(0, begun, alone=True)
    deadly = read(event.again(NOW).encode(), origin, redelivered=True, died=died, max_attempts=3)

    bench.processor.process([deadly])

    assert bench.failure(event)["error"]["code"] == "deadly"
    assert bench.failure(event)["error"]["attempts"] == 3
    assert bench.classifier.calls == []


def test_a_retry_waits_within_a_fifth_of_its_time(bench: Bench) -> None:
    event = uploaded(attempt=2)
    bench.classifier.script[event.image_id] = CallFailed("500")

    for _ in range(50):
        bench.processor.process(deliver(event))

    waits = [
        decode_uploaded(value).not_before - NOW for value in bench.broker.values(topics.RETRY.name)
    ]
    assert all(1.6 - 1e-3 <= wait <= 2.4 + 1e-3 for wait in waits)
    assert max(waits) - min(waits) > 0.1


def test_the_last_attempt_ends_in_a_dead_letter(bench: Bench) -> None:
    event = uploaded(attempt=3)
    bench.classifier.script[event.image_id] = CallFailed("image-classifier answered 500")

    bench.processor.process(deliver(event))

    assert bench.failure(event)["error"]["attempts"] == 3
    assert bench.broker.values(topics.RETRY.name) == []


def test_a_classifier_that_cannot_be_reached_costs_no_attempt(bench: Bench) -> None:
    event = uploaded()
    bench.classifier.script[event.image_id] = Unavailable("image-classifier answered 503")
    batch = deliver(event, uploaded("b"))

    assert bench.processor.process(batch) == batch
    assert bench.broker.sent == []


def test_one_image_whose_store_is_down_waits_alone(bench: Bench) -> None:
    event = uploaded()
    bench.classifier.script[event.image_id] = {"status": "unavailable", "error": {"detail": "d"}}
    batch = deliver(event, uploaded("b"))

    assert bench.processor.process(batch) == batch[:1]
    assert len(bench.broker.values(topics.RESULTS.name)) == 1


def test_what_kafka_does_not_acknowledge_is_not_finished(bench: Bench) -> None:
    bench.broker.down = True
    batch = deliver(uploaded())

    assert bench.processor.process(batch) == batch


def test_a_failure_that_cannot_be_stored_is_not_finished(bench: Bench) -> None:
    event = uploaded()
    bench.classifier.script[event.image_id] = {"status": "invalid", "error": {}}
    bench.store.down = True
    batch = deliver(event)

    assert bench.processor.process(batch) == batch
    assert bench.broker.sent == []


def test_an_image_that_nobody_survives_is_dead_lettered_untried(bench: Bench) -> None:
    origin, event = Origin("image-uploads", 0, 7), uploaded()
    deadly = read(event.encode(), origin, redelivered=True, died=Mark(7, begun=3, alone=True))

    assert bench.processor.process([deadly]) == []

    assert bench.classifier.calls == []
    assert bench.failure(event)["error"]["code"] == "deadly"
    assert bench.failure(event)["error"]["attempts"] == 3
    assert len(bench.broker.values(topics.FAILURES.name)) == 1


def test_an_image_that_died_in_company_is_tried_again(bench: Bench) -> None:
    origin, event = Origin("image-uploads", 0, 7), uploaded()
    in_company = read(event.encode(), origin, redelivered=True, died=Mark(7, begun=3))

    assert bench.processor.process([in_company]) == []

    assert len(bench.broker.values(topics.RESULTS.name)) == 1


def test_when_everything_fails_nothing_more_is_retried_or_dead_lettered(bench: Bench) -> None:
    images = [uploaded(str(number)) for number in range(100)]
    for event in images:
        bench.classifier.script[event.image_id] = CallFailed("image-classifier answered 500")

    unfinished = bench.processor.process(deliver(*images))

    assert len(unfinished) == 40
    assert len(bench.broker.values(topics.RETRY.name)) == 60
    assert bench.broker.values(topics.FAILURES.name) == []
