"""What is late fails its guarantee; how late that is may be said."""

from __future__ import annotations

import itertools
import json

import pytest

from imagectl.prove.burst import burst_is_answered
from imagectl.prove.gateway import Answer, Gateway, Job
from imagectl.prove.jobs import End
from imagectl.prove.poison import _not_delayed

SECONDS = 60.0


class LateRefusals(Gateway):
    """Refuses each second upload, and is late with it."""

    def __init__(self, seconds: float) -> None:
        super().__init__("http://deployment.test", "key")
        self._seconds = seconds
        self._numbers = itertools.count()

    def send(self, method: str, path: str, data: bytes | None = None) -> Answer:
        if path != "/api/v1/images":
            return _answer(200, status="completed")
        number = next(self._numbers)
        if number % 2:
            return Answer(503, b"", {"Retry-After": "1"}, self._seconds)
        return _answer(202, jobId=f"job-{number}", imageId="image")


def _answer(code: int, **body: str) -> Answer:
    return Answer(code, json.dumps(body).encode(), {}, 0.0)


@pytest.mark.parametrize(("within", "verdict"), [(5.0, "fail"), (8.0, "pass")])
def test_a_refusal_must_come_within_the_bound(within: float, verdict: str) -> None:
    line = burst_is_answered(LateRefusals(7.0), 4, SECONDS, within)

    assert line.verdict == verdict, line.wrong


@pytest.mark.parametrize(("within", "verdict"), [(5.0, "fail"), (8.0, "pass")])
def test_good_pictures_may_be_delayed_within_the_bound(within: float, verdict: str) -> None:
    job = Job(b"", "job", "image", 0.0)
    ends = {"job": End({"status": "completed"}, 8.5)}

    line = _not_delayed([job], ends, alone_seconds=1.5, refusals=[], within=within)

    assert line.verdict == verdict, line.wrong
