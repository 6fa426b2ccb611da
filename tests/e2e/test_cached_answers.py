"""Results come from Redis, else from MinIO, and are the same."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests import pictures
from tests.redis_client import redis_of
from tests.sending import accepted
from tests.stack import Stack, until


@pytest.fixture(scope="module")
def job(stack: Stack) -> dict[str, Any]:
    """The 202 of a picture, once it is completed."""
    body = accepted(stack, pictures.fresh("an answer that is cached"))
    assert stack.finished(body["jobId"])["status"] == "completed"
    return body


def answer(stack: Stack, job: dict[str, Any]) -> requests.Response:
    """What is answered for the job; again while a busy store says so."""
    path = job["links"]["job"]
    return until(lambda: it if (it := stack.get(path)).status_code != 503 else None)


def cached(stack: Stack, job: dict[str, Any]) -> requests.Response | None:
    """The answer, if it comes from Redis."""
    found = answer(stack, job)
    return found if found.headers["X-Cache"] == "hit" else None


def test_the_answer_is_the_same_from_cache_from_store_and_without_redis(
    stack: Stack, job: dict[str, Any]
) -> None:
    # Functions that found Redis frozen, in a test before, leave it alone for a second.
    warm = until(lambda: cached(stack, job))
    with redis_of(stack) as cache:
        lifetimes = [cache.ttl(key) for key in cache.keys(f"*{job['imageId']}*")]
        cache.flushall()
        cold = answer(stack, job)
    with stack.frozen("redis"):
        without = answer(stack, job)

    assert [each.status_code for each in (warm, cold, without)] == [200, 200, 200]
    assert warm.text == cold.text == without.text
    assert [each.headers["X-Cache"] for each in (warm, cold)] == ["hit", "miss"]
    assert all(1 <= seconds <= 3600 for seconds in lifetimes)
    assert lifetimes


def test_redis_heals(stack: Stack, job: dict[str, Any]) -> None:
    with stack.frozen("redis"):
        answer(stack, job)

    until(lambda: cached(stack, job))
