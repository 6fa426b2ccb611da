"""The consumers that ours is compared with: what they are given, and how they are judged."""

from __future__ import annotations

import json
from pathlib import Path

from bench.comparison.kafka_peers import MLServer
from bench.load import backlogs
from bench.scenarios import p15_kafka_peers
from pipeline.events import cloudevents
from tests.fakes import MemoryStore


def image(number: int) -> bytes:
    return f"image {number}".encode()


def test_events_of_a_backlog_are_those_of_uploads() -> None:
    store = MemoryStore()

    made = backlogs.put_images(store, image, 3, "peer-0", "model")

    assert [cloudevents.decode_uploaded(each.encode()) for each in made] == made


def test_mlserver_is_handed_the_event_as_it_is(tmp_path: Path) -> None:
    [event] = backlogs.put_images(MemoryStore(), image, 1, "peer-0", "model")

    value, headers = MLServer(None, "peer-0", tmp_path).message(event)  # type: ignore[arg-type]

    [taken] = json.loads(value)["inputs"]
    assert taken["data"] == [event.encode().decode()]
    assert headers == {"mlserver-model": "classifier"}


def test_ours_is_judged_by_the_best_consumer_and_by_the_loop() -> None:
    rates = {"ours": 100.0, "FastStream": 90.0, "MLServer": 80.0, "example loop": 25.0}

    [best, loop, *_] = p15_kafka_peers._judge(
        "float32", {name: [{"imagesPerSecond": rate}] for name, rate in rates.items()}
    )

    assert (best.measured, best.held, best.note) == (1.111, True, "the best is FastStream")
    assert (loop.measured, loop.allowed, loop.held) == (4.0, ">= 5", False)


def test_without_the_loop_its_figure_is_missing() -> None:
    [loop, _] = p15_kafka_peers._judge("int8", {"ours": [{"imagesPerSecond": 100.0}]})

    assert (loop.measured, loop.allowed, loop.held) == (None, ">= 8", False)
