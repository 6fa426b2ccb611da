"""A job has one failure, and it says the latest reason."""

from __future__ import annotations

import json

import pytest

from pipeline.storage.results import Results
from tests.fakes import MemoryCache, MemoryStore


def failure(code: str, failed_at: str) -> bytes:
    return json.dumps({"error": {"code": code, "attempts": 1}, "failedAt": failed_at}).encode()


class Bench:
    """Results over a store that counts what is written over."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.results = Results(self.store, MemoryCache())

    def saved(self, *bodies: bytes) -> bytes | None:
        for body in bodies:
            self.results.save_failure("default", "job", body)
        return self.results.find_failure("default", "job")


def test_a_failure_met_again_is_kept_as_it_was() -> None:
    first, again = failure("damaged-image", "10:00"), failure("damaged-image", "10:01")

    assert Bench().saved(first, again) == first


def test_a_job_that_fails_for_another_reason_says_so() -> None:
    first, other = failure("image-missing", "10:00"), failure("damaged-image", "10:01")

    assert Bench().saved(first, other) == other


@pytest.mark.parametrize(
    "found", [b"", b"[" * 20_000, b"[]", b'{"error":[]}', b'{"error":{}}', b"\xff"], ids=range(6)
)
def test_what_is_no_failure_gives_way_to_one(found: bytes) -> None:
    other = failure("damaged-image", "10:01")

    assert Bench().saved(found, other) == other
