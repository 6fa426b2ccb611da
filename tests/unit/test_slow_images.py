"""Images that take long to decode hold no other batch up, costly ones neither."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import slow_images
from tests.classifier_bench import Bench, Gate
from tests.stack import until

_LARGE = {"file_size": 19_000_000}


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize(("slow_urgent", "urgent"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("changes", [{}, _LARGE])
@pytest.mark.parametrize("kind", ["slow", "costly"])
def test_other_batches_are_classified_while_a_slow_image_is_decoded(
    bench: Bench,
    pool: ThreadPoolExecutor,
    kind: str,
    changes: dict[str, Any],
    slow_urgent: bool,
    urgent: bool,
) -> None:
    gate = Gate(bench)
    batch = [bench.store_image(kind, **changes)]
    slow = pool.submit(bench.classifier.classify, batch, is_urgent=slow_urgent)
    gate.wait_until_reached()

    answers = [
        bench.classifier.classify([bench.store_image(name)], is_urgent=urgent)[0] for name in "abc"
    ]
    seen = bench.classifier.look(b"d")
    gate.open()

    assert [answer["status"] for answer in answers] == ["completed"] * 3
    assert seen.labels[0].label == "d"
    assert slow.result()[0]["status"] == "completed"


@pytest.mark.parametrize("kind", ["slow", "costly"])
def test_the_others_of_its_batch_are_looked_at_before_a_slow_image_is_decoded(
    bench: Bench, pool: ThreadPoolExecutor, kind: str
) -> None:
    gate = Gate(bench)
    batch = [bench.store_image(kind), bench.store_image("a")]
    slow = pool.submit(bench.classifier.classify, batch)

    gate.wait_until_reached()
    looked_at = list(bench.engine.looked_at)
    gate.open()

    assert looked_at == [b"a"]
    assert [answer["status"] for answer in slow.result()] == ["completed"] * 2


def test_slow_images_of_two_batches_are_decoded_one_after_the_other(
    bench: Bench, pool: ThreadPoolExecutor
) -> None:
    gate = Gate(bench)
    first = pool.submit(bench.classifier.classify, [bench.store_image("slow 1")])
    gate.wait_until_reached()
    second = pool.submit(bench.classifier.classify, [bench.store_image("slow 2")])
    until(lambda: bench.classifier._slow._turn._others_waiting == 1)

    bench.classifier.classify([bench.store_image("a")])
    assert not second.done()
    gate.open()

    assert [each.result()[0]["status"] for each in (first, second)] == ["completed"] * 2
    assert sorted(gate.decoded) == [b"slow 1", b"slow 2"]
    assert gate.most_at_once == 1


def test_an_urgent_slow_image_is_decoded_between_those_of_a_batch(
    bench: Bench, pool: ThreadPoolExecutor
) -> None:
    gate = Gate(bench)
    batch = [bench.store_image(f"slow {number}") for number in range(3)]
    first = pool.submit(bench.classifier.classify, batch)
    gate.wait_until_reached()
    urgent = [bench.store_image("slow and urgent")]
    second = pool.submit(bench.classifier.classify, urgent, is_urgent=True)
    until(lambda: bench.classifier._slow._turn._urgent_waiting == 1)

    gate.open()

    assert [each["status"] for future in (first, second) for each in future.result()] == [
        "completed"
    ] * 4
    assert gate.decoded[1] == b"slow and urgent"


def test_what_there_is_no_room_for_meanwhile_is_fetched_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_images, "_HELD_BYTES", len(b"slow 0"))
    batch = [bench.store_image(f"slow {number}") for number in range(3)]
    fetched = Counter[str]()
    get = bench.store.get

    def counted(bucket: str, key: str, **options: Any) -> Any:
        fetched[bucket] += 1
        return get(bucket, key, **options)

    monkeypatch.setattr(bench.store, "get", counted)

    answers = bench.classifier.classify(batch)

    assert [answer["status"] for answer in answers] == ["completed"] * 3
    assert fetched["input-images"] == 5


def test_bytes_that_are_slow_hold_nobody_up(bench: Bench, pool: ThreadPoolExecutor) -> None:
    gate = Gate(bench)
    slow = pool.submit(bench.classifier.look, b"slow")
    gate.wait_until_reached()

    ordinary = bench.classifier.look(b"a")
    gate.open()

    assert ordinary.labels[0].label == "a"
    assert slow.result().labels[0].label == "slow"


def test_a_slow_image_that_is_damaged_costs_its_batch_nothing(bench: Bench) -> None:
    names = ("slow and damaged", "slow", "a")

    bad, *good = bench.classifier.classify([bench.store_image(name) for name in names])

    assert (bad["status"], bad["error"]["code"]) == ("invalid", "damaged-image")
    assert [answer["status"] for answer in good] == ["completed"] * 2
