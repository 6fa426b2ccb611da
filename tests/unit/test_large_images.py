"""Large images are fetched and inspected beside the batches, one at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline.images.decoding import ImageInfo
from tests.classifier_bench import Bench

_DEADLINE_SECONDS = 20
LARGE = {"file_size": 19_000_000}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_nobody_waits_for_a_large_image_but_who_asked_for_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, opened = threading.Event(), threading.Event()
    inspect = bench.engine.inspect

    def inspect_slowly(data: bytes) -> ImageInfo:
        if data == b"large":
            reached.set()
            assert opened.wait(_DEADLINE_SECONDS)
        return inspect(data)

    monkeypatch.setattr(bench.engine, "inspect", inspect_slowly)
    batches = [[bench.store_image("large", **LARGE), bench.store_image(name)] for name in "ab"]
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(bench.classifier.classify, batch) for batch in batches]
        assert reached.wait(_DEADLINE_SECONDS)

        (answer,) = bench.classifier.classify([bench.store_image("c")])
        opened.set()

        assert answer["status"] == "completed"
        answers = [each["status"] for future in slow for each in future.result()]
    assert answers == ["completed"] * 4


@pytest.mark.parametrize(
    ("text", "changes", "status", "code"),
    [
        ("costly", {}, "completed", None),
        ("damaged", {}, "invalid", "damaged-image"),
        ("gone", {}, "invalid", "image-missing"),
        ("other", {"model_id": "none@1"}, "completed", None),  # by the current one
    ],
)
def test_a_large_image_is_answered_as_any_other(
    bench: Bench, text: str, changes: dict[str, Any], status: str, code: str | None
) -> None:
    event = bench.store_image(text, **{**LARGE, **changes})
    small = bench.store_image(text, job_id="small", tenant_id="other", **changes)
    if text == "gone":
        bench.store.objects.clear()

    answers = bench.classifier.classify([event, small])

    assert [answer["status"] for answer in answers] == [status] * 2
    assert {answer.get("error", {}).get("code") for answer in answers} == {code} or code is None


def test_a_large_image_is_stored_once(bench: Bench) -> None:
    batch = [bench.store_image("a", job_id=name, **LARGE) for name in ("one", "two")]

    bench.classifier.classify(batch)
    bench.classifier.classify(batch)

    assert bench.engine.looked_at == [b"a"]
