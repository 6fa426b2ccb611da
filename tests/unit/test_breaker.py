"""When the consumer stops because everything fails, and when it goes on."""

from __future__ import annotations

import pytest

from circuit_breaker import Breaker
from invoke import CallFailed
from pipeline.errors import InvalidImage, PipelineError, Unavailable

FAILED = CallFailed("image-classifier answered 500")
DAMAGED = InvalidImage("the PNG file is damaged", code="damaged-image")
MISSING = InvalidImage("the stored image is gone", code="image-missing")


class Bench:
    """A breaker with a limit of two, a clock to be set and a classifier that works or not."""

    def __init__(self) -> None:
        self.now = 100.0
        self.works = True
        self.breaker = Breaker(2, 30.0, lambda: self.works, lambda: self.now)

    def fails(self, error: PipelineError) -> bool:
        """Tell whether an image is let fail."""
        try:
            self.breaker.let_fail(error)
        except Unavailable:
            return False
        return True


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_opens_after_so_many_failures_in_a_row(bench: Bench) -> None:
    assert [bench.fails(FAILED) for _ in range(4)] == [True, True, False, False]
    assert bench.breaker.is_resting()
    assert "image-classifier answered 500" in (bench.breaker.why_open() or "")


def test_a_success_between_keeps_it_closed(bench: Bench) -> None:
    for _ in range(5):
        assert bench.fails(FAILED)
        assert bench.fails(FAILED)
        bench.breaker.note_success()

    assert bench.breaker.why_open() is None


def test_one_image_is_tried_after_each_rest(bench: Bench) -> None:
    for _ in range(3):
        bench.fails(FAILED)

    bench.works = False
    bench.now += 30
    assert not bench.breaker.is_resting()
    assert not bench.fails(FAILED)
    assert bench.breaker.is_resting()


def test_one_image_each_rest_is_let_fail_while_the_classifier_works(bench: Bench) -> None:
    for _ in range(3):
        bench.fails(FAILED)

    bench.now += 30

    assert [bench.fails(FAILED) for _ in range(2)] == [True, False]
    assert bench.breaker.is_resting()


def test_it_closes_when_an_image_succeeds(bench: Bench) -> None:
    for _ in range(3):
        bench.fails(FAILED)

    bench.breaker.note_success()

    assert bench.breaker.why_open() is None
    assert bench.fails(FAILED)


def test_damaged_images_do_not_open_it_while_the_classifier_works(bench: Bench) -> None:
    assert all(bench.fails(DAMAGED) for _ in range(50))


def test_images_that_all_look_damaged_to_a_broken_classifier_do(bench: Bench) -> None:
    bench.works = False

    assert [bench.fails(DAMAGED) for _ in range(3)] == [True, True, False]


def test_images_missing_in_the_store_open_it_whatever_the_classifier_says(bench: Bench) -> None:
    assert [bench.fails(MISSING) for _ in range(3)] == [True, True, False]


def test_without_a_limit_it_never_opens() -> None:
    breaker = Breaker(0, 30.0, lambda: False)

    for _ in range(1000):
        breaker.let_fail(FAILED)

    assert breaker.why_open() is None
