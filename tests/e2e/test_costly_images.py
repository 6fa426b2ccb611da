"""Pictures that cost more than they are worth cost their sender, and nobody else."""

from __future__ import annotations

import os

import pytest

from pipeline.kafka import topics
from tests import pictures
from tests.kafka import events_of
from tests.security import jpeg_bombs, other_bombs
from tests.stack import Stack

pytestmark = pytest.mark.usefixtures("quiet")

_EMPTY_SCANS = b"\x01\x3f\x01"


def _bomb() -> bytes:
    """A BMP of some kilobytes that takes longer than its budget, another each time."""
    return other_bombs.BOMBS["bmp, one pixel in each row"]() + os.urandom(8)


def test_what_can_be_counted_is_refused_at_the_door(stack: Stack) -> None:
    response = stack.upload(jpeg_bombs.staged(64, 1, 4000, _EMPTY_SCANS))

    problem = response.json()
    assert response.status_code == 422
    assert problem["type"].endswith("too-costly")
    assert (problem["found"], problem["allowed"]) == ("scans: 101", "scans: 100")


def test_costly_pictures_fail_in_one_attempt_and_cost_others_none(stack: Stack) -> None:
    bombs = [stack.upload(_bomb()).json() for _ in range(3)]
    innocents = [stack.upload(pictures.fresh(f"innocent {number}")).json() for number in range(12)]

    states = [stack.finished(job["jobId"]) for job in innocents]
    failed = [stack.finished(job["jobId"], seconds=120)["error"] for job in bombs]

    assert [state["status"] for state in states] == ["completed"] * len(innocents)
    assert [(error["code"], error["attempts"]) for error in failed] == [("too-costly", 1)] * 3  # type: ignore[index]
    retried = [events_of(stack, topics.RETRY.name, job["imageId"]) for job in innocents + bombs]
    assert not any(retried)


def test_a_large_picture_is_classified_all_the_same(stack: Stack) -> None:
    picture = pictures.encode(pictures.gradient(1200, 900), "WEBP", lossless=True)

    response = stack.upload(picture, Prefer="wait=25")

    assert response.status_code == 200, response.text


def test_costly_bytes_posted_to_the_classifier_are_refused_by_the_same_budget(
    stack: Stack,
) -> None:
    response = stack.request("POST", "/function/image-classifier", data=_bomb())

    assert response.status_code == 422
    assert response.json()["type"].endswith("too-costly")
