"""A bug of ours over one message costs that message its attempts, and no other anything."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import pytest

import deliveries
import process
from deliveries import read
from invoke import CallFailed
from pipeline.consuming.retries import RetryPolicy
from pipeline.events.cloudevents import Origin, decode_uploaded
from pipeline.events.dead_letters import DeadLetter, decode
from pipeline.kafka import topics
from pipeline.timeouts.defaults import LARGEST_JITTER
from tests.processing import Bench, deliver
from tests.samples import uploaded


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_bug_over_one_answer_costs_that_image_alone_its_attempts(bench: Bench) -> None:
    good, odd = uploaded("good"), uploaded("odd", attempt=2)
    bench.classifier.script[odd.image_id] = ZeroDivisionError("a bug")

    unfinished = bench.processor.process(deliver(good, odd))

    (again,) = bench.broker.values(topics.RETRY.name)
    assert unfinished == []
    assert len(bench.broker.values(topics.RESULTS.name)) == 1
    assert decode_uploaded(again) == replace(odd, attempt=3, not_before=ANY)


def test_a_bug_that_stays_ends_in_a_dead_letter(bench: Bench) -> None:
    event = uploaded(attempt=3)
    bench.classifier.script[event.image_id] = RecursionError("a bug")

    assert bench.processor.process(deliver(event)) == []

    assert bench.failure(event)["error"]["code"] == "internal"
    (letter,) = bench.broker.values(topics.FAILURES.name)
    assert "RecursionError" in json.loads(letter)["data"]["reason"]["detail"]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "completed"},
        {"status": "completed", "result": None},
        {"status": "completed", "result": {"modelId": "../x", "labels": []}},
        {"status": "completed", "result": {"modelId": 7, "labels": []}},
        {"status": "completed", "result": {"modelId": "m"}},
        {"status": "invalid", "error": "it is"},
        {"status": "perhaps"},
        {"status": ["completed"]},
        {"status": "\ud800"},
        {"status": None},
    ],
    ids=ascii,
)
def test_an_answer_that_was_not_promised_costs_that_image_alone_an_attempt(
    bench: Bench, answer: dict[str, Any]
) -> None:
    odd = uploaded("odd")
    bench.classifier.script[odd.image_id] = answer

    unfinished = bench.processor.process(deliver(uploaded("good"), odd))

    assert unfinished == []
    assert len(bench.broker.values(topics.RESULTS.name)) == 1
    assert len(bench.broker.values(topics.RETRY.name)) == 1


def test_a_result_that_cannot_be_written_as_an_event_ends_in_a_dead_letter(bench: Bench) -> None:
    event = uploaded(attempt=3)
    result = {"modelId": event.model_id, "labels": [{"label": "\ud800", "score": 1.0}]}
    bench.classifier.script[event.image_id] = {"status": "completed", "result": result}

    assert bench.processor.process(deliver(event)) == []

    assert bench.failure(event)["error"]["code"] == "internal"


def test_a_failure_that_meets_a_bug_itself_leaves_the_message_as_bytes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    event, good = uploaded(attempt=3), uploaded("good")
    bench.classifier.script[event.image_id] = CallFailed("500")

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(process, "encode_failure", broken)

    assert bench.processor.process(deliver(event, good)) == []

    (letter,) = map(decode, bench.broker.values(topics.FAILURES.name))
    assert isinstance(letter, DeadLetter)
    assert (letter.raw, letter.reason["code"]) == (event.encode(), "internal")
    assert len(bench.broker.values(topics.RESULTS.name)) == 1


def test_a_result_event_that_kafka_refuses_is_a_dead_letter(bench: Bench) -> None:
    event = uploaded()
    bench.broker.refused.add(topics.RESULTS.name)

    assert bench.processor.process(deliver(event)) == []

    assert bench.failure(event)["error"]["code"] == "refused"
    assert len(bench.broker.values(topics.FAILURES.name)) == 1


def test_a_dead_letter_that_kafka_refuses_is_waited_for(bench: Bench) -> None:
    bench.broker.refused.add(topics.FAILURES.name)
    batch = [read(b"no event", Origin("image-uploads", 0, 1), redelivered=False)]

    assert bench.processor.process(batch) == batch


def test_a_failure_that_the_store_refuses_holds_nobody_up(bench: Bench) -> None:
    event = uploaded()
    bench.classifier.script[event.image_id] = {"status": "invalid", "error": {}}
    bench.store.refused.add(f"failures/{event.tenant_id}/{event.job_id}.json")

    assert bench.processor.process(deliver(event)) == []

    assert len(bench.broker.values(topics.FAILURES.name)) == 1


def test_a_bug_in_reading_a_message_is_a_dead_letter(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(deliveries, "decode_uploaded", broken)

    assert bench.processor.process(deliver(uploaded())) == []

    (letter,) = map(decode, bench.broker.values(topics.FAILURES.name))
    assert isinstance(letter, DeadLetter)
    assert letter.reason["code"] == "internal"


def test_no_number_of_attempts_waits_for_longer_than_the_longest_wait() -> None:
    policy = RetryPolicy(max_attempts=5000, base_seconds=1.0, max_seconds=60.0)

    assert policy.wait_seconds(4999) <= 60.0 * LARGEST_JITTER
