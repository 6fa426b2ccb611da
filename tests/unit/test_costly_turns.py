"""Costly images are decoded one at a time, and wait for their turn elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

import costly_images
from pipeline.errors import InvalidImage, Unavailable
from tests.classifier_bench import Bench, Gate


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_a_costly_image_whose_turn_is_taken_comes_again_at_no_cost(
    bench: Bench, pool: ThreadPoolExecutor
) -> None:
    gate = Gate(bench)
    slow = pool.submit(bench.classifier.classify, [bench.store_image("costly 1")])
    gate.wait_until_reached()
    second = bench.store_image("costly 2")

    (turned_away,) = bench.classifier.classify([second])
    gate.open()
    slow.result()
    (again,) = bench.classifier.classify([second])

    assert (turned_away["status"], turned_away["error"]["code"]) == ("unavailable", "busy")
    assert again["status"] == "completed"


def test_a_batch_begins_with_costly_images_for_a_limited_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(0, 1000, 3))
    monkeypatch.setattr(costly_images, "time", type("Clock", (), {"monotonic": lambda: next(now)}))
    batch = [bench.store_image(f"costly {number}") for number in range(5)]

    answers = bench.classifier.classify(batch)

    assert sorted(each["status"] for each in answers) == ["completed"] + ["unavailable"] * 4


def test_too_costly_an_image_is_invalid_and_costs_its_batch_nothing(bench: Bench) -> None:
    def give_up(data: bytes) -> None:
        raise InvalidImage("decoding takes more than 2 s of one core", code="too-costly")

    bench.engine.on_costly = give_up
    bad, good = bench.classifier.classify([bench.store_image("costly"), bench.store_image("a")])

    assert (bad["status"], bad["error"]["code"]) == ("invalid", "too-costly")
    assert good["status"] == "completed"


def test_a_costly_image_that_has_to_wait_asks_nothing_of_a_store_again(
    bench: Bench, pool: ThreadPoolExecutor
) -> None:
    gate = Gate(bench)
    slow = pool.submit(bench.classifier.classify, [bench.store_image("costly 1")])
    gate.wait_until_reached()
    second = bench.store_image("costly 2")
    bench.classifier.classify([second])
    bench.store.down = True

    (answer,) = bench.classifier.classify([replace(second, redelivered=True)])
    bench.store.down = False
    gate.open()
    slow.result()

    assert answer["error"]["code"] == "busy"


def test_a_large_costly_image_is_fetched_once_where_it_has_its_turn(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    get_many = bench.store.get_many

    def note_and_get(bucket: str, keys: Sequence[str]) -> list[bytes | None]:
        fetched.extend(keys)
        return get_many(bucket, keys)

    monkeypatch.setattr(bench.store, "get_many", note_and_get)
    batch = [bench.store_image(f"costly {number}", file_size=19_000_000) for number in range(2)]

    answers = bench.classifier.classify(batch)

    assert [each["status"] for each in answers] == ["completed"] * 2
    # The bytes of the first one were held.
    assert list(Counter(fetched).values()) == [1, 2]


def test_a_costly_image_seen_before_is_answered_from_its_result(bench: Bench) -> None:
    event = bench.store_image("costly")
    bench.classifier.classify([event])

    (answer,) = bench.classifier.classify([event])

    assert answer["status"] == "completed"
    assert bench.engine.looked_at == [b"costly"]


def test_bytes_that_are_costly_are_turned_away_while_another_is_decoded(
    bench: Bench, pool: ThreadPoolExecutor
) -> None:
    gate = Gate(bench)
    slow = pool.submit(bench.classifier.look, b"costly 1")
    gate.wait_until_reached()

    with pytest.raises(Unavailable) as refused:
        bench.classifier.look(b"costly 2")
    ordinary = bench.classifier.look(b"a")
    gate.open()

    assert refused.value.status == 503
    assert ordinary.labels[0].label == "a"
    assert slow.result().labels[0].label == "costly 1"
