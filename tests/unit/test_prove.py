"""The proof fails on the right line: one deployment in memory, broken in one way at a time."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from imagectl.prove import faults, gateway, pictures, report
from imagectl.prove.acceptance import Killer
from imagectl.prove.command import _lines
from imagectl.prove.gateway import Answer, Gateway
from imagectl.prove.line import GUARANTEES, CannotProve, Line, not_seen

# How long is waited for what must come, and for what never will.
PATIENCE_SECONDS, SHORT_SECONDS = 60.0, 0.05
NEVER_END = ("loses", "dropped dead letter")
SMALL = Image.new("RGB", (20, 20))
LABELS = [{"label": "star", "score": 0.9}, {"label": "heart", "score": 0.1}]


class Deployment(Gateway):
    """Answers as it must, but for the one bug that it was given by name."""

    def __init__(self, bug: str) -> None:
        super().__init__("http://deployment.test", "key")
        self._bug = bug
        self._jobs: dict[str, bytes] = {}
        self._refused: set[bytes] = set()
        # They count right also from many threads. Good pictures have numbers of their own, so that
        # whatever befalls each seventh befalls some of any seven that are sent together.
        self._numbers, self._damaged = itertools.count(1), itertools.count(1)

    def send(self, method: str, path: str, data: bytes | None = None) -> Answer:
        kind, _, name = path.removeprefix("/api/v1/").partition("/")
        if data is not None:
            return self._labels() if path.startswith("/function/") else self._upload(data)
        return self._job(name) if kind == "jobs" else self._image(name)

    def _upload(self, data: bytes) -> Answer:
        if not _is_picture(data):
            return _answer(202 if self._bug == "open door" else 422, jobId="j", imageId="i")
        if b"deflated" in data:
            return self._accepted(f"damaged-{next(self._damaged)}", data)
        number = next(self._numbers)
        if self._bug == "refuses" and number % 7 == 0:
            return _answer(500)
        if self._bug == "silent refusal" and number % 7 == 0 and data not in self._refused:
            self._refused.add(data)
            return Answer(503, b"", {}, 0.0)
        return self._accepted(f"job-{number}", data)

    def _accepted(self, job_id: str, data: bytes) -> Answer:
        self._jobs[job_id] = data
        return _answer(202, jobId=job_id, imageId=self._id(data))

    def _id(self, data: bytes) -> str:
        named = hashlib.md5 if self._bug == "MD5" else hashlib.sha256
        return named(data).hexdigest()

    def _job(self, job_id: str) -> Answer:
        if job_id not in self._jobs:
            return _answer(200 if self._bug == "phantom" else 404)
        number, data = int(job_id.partition("-")[2]), self._jobs[job_id]
        if b"deflated" in data:
            return self._failed()
        if self._bug == "loses" and number % 7 == 0:
            return _answer(200, status="pending")
        if self._bug == "drags along" and number % 7 == 0 and self._has_damaged:
            return self._failed()
        return _answer(200, status="completed", result={"imageId": self._id(data)})

    def _failed(self) -> Answer:
        if self._bug == "dropped dead letter":
            return _answer(200, status="pending")
        attempts = 5 if self._bug == "tries again" else 1
        return _answer(200, status="failed", error={"detail": "damaged", "attempts": attempts})

    @property
    def _has_damaged(self) -> bool:
        return any(b"deflated" in data for data in self._jobs.values())

    def _image(self, image_id: str) -> Answer:
        known = {self._id(data): data for data in self._jobs.values()}
        if image_id not in known:
            return _answer(404)
        if b"deflated" in known[image_id]:
            return _answer(200, status="pending")
        wrong = self._bug == "wrong label"
        result = {"imageId": image_id, "modelId": "m", "status": "completed"}
        stamp = os.urandom(4).hex() if self._bug == "overwrites" else ""
        return _answer(200, **result, labels=LABELS[:1] if wrong else LABELS, stamp=stamp)

    def _labels(self) -> Answer:
        return _answer(200, modelId="m", labels=LABELS)


@pytest.fixture(autouse=True)
def quickly_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments alone make the pictures of these tests differ."""
    monkeypatch.setattr(pictures, "_drawing", lambda: SMALL)


@pytest.fixture(autouse=True)
def soon_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is at work whom it would help to wait a while."""
    monkeypatch.setattr(gateway, "_PAUSE_SECONDS", 0.01)


def _is_picture(data: bytes) -> bool:
    if b"deflated" in data:
        return True
    if not data.endswith((b"\xff\xd9", b"IEND\xaeB`\x82")):
        return False
    with Image.open(BytesIO(data)) as picture:
        return picture.width >= 16


def _answer(code: int, /, **body: object) -> Answer:
    headers = {"Retry-After": "1"} if code in (429, 503) else {}
    return Answer(code, json.dumps(body).encode(), headers, 0.0)


def failing(bug: str) -> set[int]:
    """The guarantees that do not hold."""
    seconds = SHORT_SECONDS if bug in NEVER_END else PATIENCE_SECONDS
    lines = _lines(Deployment(bug), 14, 14, seconds, None, tuple(GUARANTEES))
    return {line.guarantee for line in lines if line.verdict == "fail"}


@pytest.mark.parametrize(
    ("bug", "guarantees"),
    [
        ("none", set()),
        ("loses", {1, 2, 6, 7}),
        ("refuses", {1, 2, 6, 7}),
        ("phantom", {1}),
        ("MD5", {2}),
        ("wrong label", {2}),
        ("overwrites", {2}),
        ("dropped dead letter", {4}),
        ("tries again", {4}),
        ("open door", {4}),
        ("drags along", {6}),
        ("silent refusal", {7}),
    ],
)
def test_a_bug_fails_its_guarantee_and_no_other(bug: str, guarantees: set[int]) -> None:
    assert failing(bug) == guarantees


def test_what_cannot_be_seen_is_not_claimed() -> None:
    lines = list(_lines(Deployment("none"), 2, 2, PATIENCE_SECONDS, None, tuple(GUARANTEES)))

    assert {line.guarantee for line in lines} == set(GUARANTEES)
    assert {line.guarantee for line in lines if line.verdict == "not seen"} == {3, 5, 8}


def test_only_the_chosen_guarantees_are_tried() -> None:
    lines = _lines(Deployment("loses"), 2, 2, SHORT_SECONDS, None, (4,))

    assert {line.guarantee for line in lines} == {4}


def test_the_report_tells_programs_what_it_tells_people(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [Line(1, "ten pictures", {"accepted": 10}, ["job x is lost"]), not_seen(8, "outside")]

    report.show(lines)
    told = json.loads(report.as_json("http://deployment.test", lines))

    shown = capsys.readouterr().out
    assert all(word in shown for word in ("accepted 10", "fail", "job x is lost", "not seen"))
    assert told["held"] is False
    assert [line["verdict"] for line in told["lines"]] == ["fail", "not seen"]


def test_faults_are_refused_without_a_local_stack(tmp_path: Path) -> None:
    with pytest.raises(CannotProve, match="none runs in"):
        faults.find(tmp_path, "http://127.0.0.1:8080")


def test_faults_are_refused_when_the_gateway_is_not_the_local_one(tmp_path: Path) -> None:
    _run_file(tmp_path, faults._start_time(os.getpid()) or 0)

    assert faults.find(tmp_path, "http://127.0.0.1:8080").named("nginx")
    with pytest.raises(CannotProve, match="the proof is about"):
        faults.find(tmp_path, "http://pictures.test:8080")


def test_a_pid_that_was_given_again_is_left_alone(tmp_path: Path) -> None:
    _run_file(tmp_path, start_time=1)

    assert faults.LocalProcesses(tmp_path).named("nginx") == []
    assert not faults.Process("nginx", os.getpid(), 1).signal(9)


def _run_file(state_dir: Path, start_time: int) -> None:
    (state_dir / "run").mkdir()
    state = {"pid": os.getpid(), "startTime": start_time, "ports": {"gateway": 8080}}
    (state_dir / "run" / "nginx.json").write_text(json.dumps(state))


class EndingParts(faults.LocalProcesses):
    """Each part has just ended by itself when it is to be killed for the first time."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self._ended: set[str] = set()

    def wait_for(self, name: str, seconds: float) -> bool:
        return True

    def kill(self, name: str) -> int:
        was_ended = name in self._ended
        self._ended.add(name)
        return int(was_ended)


def test_what_just_ended_is_killed_when_it_is_back() -> None:
    images = 2 * len(faults.VICTIMS) + 2
    killer = Killer(EndingParts(), images)

    for count in range(1, images + 1):
        killer.note_accepted(count)

    assert sorted(killer.killed) == sorted(faults.VICTIMS)
