"""A job has one end: what is decided of it stays, whatever comes at the same moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admission import Admission
from jobs import Jobs
from pipeline import ids
from pipeline.errors import Conflict, NotFound, OverQuota, Rejected, Unavailable
from pipeline.events import dead_letters, failures
from pipeline.events.cloudevents import ImageUploaded, Origin, decode_uploaded
from pipeline.http.web import Call
from pipeline.kafka import topics
from pipeline.quotas import Quota
from pipeline.storage.cancellations import Cancellations
from pipeline.storage.results import Found, Results
from pipeline.storage.usage import Usage, Used
from published import PublishedModels
from quota_gate import QuotaGate
from states import States
from tests.fakes import MemoryCache, MemoryMarks, MemoryStore, StubBroker
from tests.samples import TRACEPARENT
from waiting import Waiter

MODEL = "demonstration-0123456789ab"
IMAGE = ids.image_id(b"bytes")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
REASON = {"code": "damaged-image", "detail": "why"}


class Open(Admission):
    """An admission without a limit."""

    def __init__(self) -> None:
        self._limit = 0


class Room(Usage):
    """Has room for so many images of each tenant."""

    def __init__(self) -> None:
        self.images = 1

    def take(self, *_: object, **__: object) -> Used:
        self.images -= 1
        return Used(images_a_day=1, refused="images_a_day" if self.images < 0 else None)

    def settle(self, *_: object) -> None:
        """Count nothing."""


class Bench:
    """One job, what a client may do about it, and two replicas that tell of it."""

    def __init__(self, quota: Quota | None = None) -> None:
        self.store, self.broker, self.cache = MemoryStore(), StubBroker(), MemoryCache()
        self.quota, self.usage, self.marks = quota or Quota(), Room(), MemoryMarks()
        self.seconds = NOW.timestamp()
        self.results = Results(self.store, self.cache)
        self.job_ids = ids.JobIds("key")
        about = ("default", IMAGE, MODEL, NOW)
        self.job = ids.Job(self.job_ids.issue(*about), *about)
        self.jobs = Jobs(
            self.store,
            self.results,
            self.broker,
            self.job_ids,
            Open(),
            QuotaGate(self.store, self.usage, self.quota),
            self.marks,
            self.cancellations(),
            timedelta(days=30),
            lambda: self.seconds,
        )
        self.replicas = [self.states(), self.states()]
        self.event = ImageUploaded(
            "default", self.job.job_id, IMAGE, MODEL, "a.jpg",
            f"input-images/{ids.input_key('default', IMAGE, 'jpg')}", 5, "image/jpeg",
            "2026-01-02T00:00:00.000+00:00", False, TRACEPARENT,
        )  # fmt: skip

    def cancellations(self) -> Cancellations:
        def clock() -> float:
            return self.seconds

        return Cancellations(self.store, clock, clock, self.wait)

    def states(self) -> States:
        return States(
            self.results,
            self.store,
            PublishedModels(self.store, MODEL),
            self.job_ids,
            timedelta(days=30),
            self.cancellations(),
            lambda: datetime.fromtimestamp(self.seconds, UTC),
        )

    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    def complete(self) -> None:
        self.results.save_many({("default", IMAGE, MODEL): b'{"labels":[]}'})

    def fail(self, event: ImageUploaded | None = None) -> None:
        failure = failures.encode_failure(event or self.event, REASON, self.seconds)
        self.results.save_failure("default", self.job.job_id, failure)

    def ask(self, what: str, tenant: str = "default", job_id: str = "") -> Any:
        path = f"/jobs/{job_id or self.job.job_id}/{what}"
        response = self.jobs.answer(tenant, Call("POST", path, {}, {}, b"", "trace"))
        assert response
        return response

    @property
    def state(self) -> str:
        """What every replica says."""
        (told,) = {each.job("default", self.job.job_id).body["status"] for each in self.replicas}
        return str(told)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_job_that_waits_is_cancelled_for_good(bench: Bench) -> None:
    assert bench.state == "pending"

    answer = bench.ask("cancel")

    assert (answer["statusCode"], json.loads(answer["body"])["status"]) == (200, "cancelled")
    assert bench.state == "cancelled"
    bench.complete()
    assert bench.state == "cancelled"
    bench.wait(100_000)
    assert bench.state == "cancelled"


def test_the_image_has_its_result_all_the_same_and_so_have_its_other_jobs(bench: Bench) -> None:
    other = bench.job_ids.issue("default", IMAGE, MODEL, NOW)
    bench.ask("cancel")
    bench.complete()

    states = bench.replicas[0]
    assert states.job("default", other).body["status"] == "completed"
    assert states.image("default", IMAGE, MODEL).body == {"labels": []}


def waited_for(bench: Bench) -> dict[str, Found]:
    """What a client is told that waited for the job and for another one of its image."""
    other = replace(bench.job, job_id=bench.job_ids.issue("default", IMAGE, MODEL, NOW))
    found = Waiter(bench.results, 1).wait([bench.job, other], 5)
    assert len(found) == 2
    told = bench.jobs.told_of([bench.job, other], found)
    assert other.job_id in told or bench.store.down
    return {name: each for name, each in told.items() if name == bench.job.job_id}


def test_who_waits_is_told_a_result_unless_the_job_was_cancelled(bench: Bench) -> None:
    bench.complete()
    assert waited_for(bench).keys() == {bench.job.job_id}

    other = Bench()
    other.ask("cancel")
    other.complete()
    assert waited_for(other) == {}


def test_who_waits_is_told_nothing_while_it_is_not_decided(bench: Bench) -> None:
    told: list[dict[str, Found]] = []

    def ended() -> None:
        bench.complete()
        told.append(waited_for(bench))
        bench.store.down = True
        told.append(waited_for(bench))
        bench.store.down = False

    bench.jobs.cancellations.cancel("default", bench.job.job_id, 0, ended)

    assert told == [{}, {}]


def test_a_job_that_fails_after_it_was_cancelled_stays_so(bench: Bench) -> None:
    bench.ask("cancel")
    bench.fail()

    assert bench.state == "cancelled"


def test_a_cancelled_job_that_an_operator_replays_stays_so(bench: Bench) -> None:
    bench.ask("cancel")
    bench.fail(bench.event.replayed())
    assert bench.state == "cancelled"
    bench.complete()

    assert bench.state == "cancelled"
    assert json.loads(bench.ask("cancel")["body"])["status"] == "cancelled"


def test_to_cancel_again_is_to_be_told_the_same(bench: Bench) -> None:
    first = bench.ask("cancel")
    bench.complete()

    assert bench.ask("cancel") == first


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_a_job_that_has_ended_stays_as_it_is(bench: Bench, end: str) -> None:
    (bench.complete if end == "completed" else bench.fail)()

    for _ in range(2):
        with pytest.raises(Conflict, match=end) as refused:
            bench.ask("cancel")
        assert (refused.value.status, refused.value.found) == (409, end)
    assert bench.state == end


def test_a_result_that_comes_while_it_is_asked_is_told_by_nobody_before_it_is_decided(
    bench: Bench,
) -> None:
    """The result comes between the look for it and the decision."""
    told: list[str] = []

    def ended() -> None:
        bench.complete()
        told.append(bench.state)

    bench.jobs.cancellations.cancel("default", bench.job.job_id, 0, ended)

    assert told == ["pending"]
    assert bench.state == "cancelled"


def test_a_result_that_was_told_before_it_was_asked_stays(bench: Bench) -> None:
    told: list[str] = []

    def ended() -> str:
        return "completed"

    def pause(seconds: float) -> None:
        bench.wait(seconds)
        bench.complete()
        told.append(bench.state)

    bench.jobs.cancellations._pause = pause

    assert bench.jobs.cancellations.cancel("default", bench.job.job_id, 0, ended) == "completed"
    assert told == ["completed"]
    assert bench.state == "completed"


def test_of_two_that_cancel_at_once_one_decides(bench: Bench) -> None:
    other = bench.cancellations()

    def ended() -> None:
        bench.complete()  # the other one finds it
        told = other.cancel("default", bench.job.job_id, 0, lambda: "completed")
        assert told == "completed"

    assert bench.jobs.cancellations.cancel("default", bench.job.job_id, 0, ended) == "completed"
    assert bench.state == "completed"


def test_who_was_killed_before_the_decision_is_forgotten_or_asks_again(bench: Bench) -> None:
    def killed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.jobs.cancellations.cancel("default", bench.job.job_id, 0, killed)
    bench.complete()
    assert bench.state == "pending"
    bench.wait(301)
    assert bench.state == "completed"
    with pytest.raises(Conflict):
        bench.ask("cancel")
    assert bench.state == "completed"


def test_a_tenant_that_never_cancels_costs_its_readers_nothing(bench: Bench) -> None:
    bench.complete()
    bench.cache.get("default", IMAGE, MODEL)
    assert bench.state == "completed"
    bench.store.down = True

    assert bench.state == "completed"


def test_a_replica_without_a_young_list_looks_at_the_job_itself(bench: Bench) -> None:
    """Its listing fails as a tenant cancels for the first time."""
    store, folders = bench.store, bench.store.folders
    assert bench.state == "pending"
    told: list[str] = []

    def failing(bucket: str, prefix: str) -> Iterator[str]:
        raise Unavailable("no list")

    def pause(seconds: float) -> None:
        store.folders = failing  # type: ignore[method-assign]
        for _ in range(10):
            bench.wait(seconds / 10)
            told.append(bench.state)
        store.folders = folders  # type: ignore[method-assign]

    bench.jobs.cancellations._pause = pause
    bench.ask("cancel")
    bench.complete()

    assert told == ["pending"] * 10
    assert bench.state == "cancelled"


def test_a_decision_that_comes_too_late_is_none(bench: Bench) -> None:
    """Whoever asked stood still, and a reader no longer waited."""

    def ended() -> None:
        bench.wait(301)
        bench.complete()
        assert bench.state == "completed"

    with pytest.raises(Unavailable, match="too old"):
        bench.jobs.cancellations.cancel("default", bench.job.job_id, 0, ended)

    assert bench.state == "completed"


def test_the_first_question_of_a_tenant_waits_until_everybody_knows(bench: Bench) -> None:
    before = bench.seconds
    bench.ask("cancel")
    first = bench.seconds - before
    bench.wait(10)
    before = bench.seconds
    bench.ask("cancel", job_id=bench.job_ids.issue("default", IMAGE, MODEL, NOW))

    assert (first, bench.seconds - before) == (3.0, 0.0)


def test_a_job_of_another_tenant_is_not_there(bench: Bench) -> None:
    for what in ("cancel", "retry"):
        with pytest.raises(NotFound):
            bench.ask(what, tenant="other")


def test_a_job_that_is_too_old_is_gone(bench: Bench) -> None:
    bench.wait(31 * 86_400)

    for what in ("cancel", "retry"):
        with pytest.raises(Rejected) as refused:
            bench.ask(what)
        assert refused.value.status == 410


def test_a_failed_job_is_tried_anew_as_itself(bench: Bench) -> None:
    bench.fail()

    answer = bench.ask("retry")

    (value,) = bench.broker.values(topics.UPLOADS.name)
    event = decode_uploaded(value)
    assert (answer["statusCode"], json.loads(answer["body"])["jobId"]) == (202, bench.job.job_id)
    assert (event.job_id, event.attempt, event.replays) == (bench.job.job_id, 1, 1)
    assert event.redelivered
    assert bench.state == "pending"


def test_its_dead_letter_is_marked_as_replayed(bench: Bench) -> None:
    bench.fail()
    letter = dead_letters.encode_failed(
        None, bench.event, REASON, Origin("image-uploads", 1, 2), stage="decode"
    )

    bench.ask("retry")

    (mark,) = bench.broker.values(topics.FAILURES.name)
    written = dead_letters.decode(letter)
    assert isinstance(written, dead_letters.DeadLetter)
    assert dead_letters.decode(mark) == written.letter_id


def test_when_it_fails_again_it_says_so_and_may_be_tried_again(bench: Bench) -> None:
    bench.fail()
    bench.ask("retry")
    again = decode_uploaded(bench.broker.values(topics.UPLOADS.name)[-1])

    bench.fail(again)

    assert bench.state == "failed"
    bench.ask("retry")
    assert decode_uploaded(bench.broker.values(topics.UPLOADS.name)[-1]).replays == 2
    bench.complete()
    assert bench.state == "completed"


def test_what_failed_before_a_job_was_tried_anew_says_nothing_of_it_any_more(
    bench: Bench,
) -> None:
    """Its consumer was killed before the commit, and the event is read again."""
    bench.fail()
    bench.ask("retry")

    bench.fail()

    assert bench.state == "pending"
    bench.fail(bench.event.replayed())
    assert bench.state == "failed"


def test_a_job_that_is_tried_anew_may_be_cancelled_though_it_could_not_before(
    bench: Bench,
) -> None:
    bench.fail()
    with pytest.raises(Conflict):
        bench.ask("cancel")
    bench.ask("retry")

    bench.ask("cancel")

    assert bench.state == "cancelled"
    with pytest.raises(Conflict, match="cancelled"):
        bench.ask("retry")


@pytest.mark.parametrize("part", ["store", "broker"])
def test_a_retry_that_found_no_answer_is_asked_for_again(bench: Bench, part: str) -> None:
    bench.fail()
    getattr(bench, part).down = True
    with pytest.raises(Unavailable):
        bench.ask("retry")
    getattr(bench, part).down = False

    bench.ask("retry")

    (value,) = bench.broker.values(topics.UPLOADS.name)
    assert decode_uploaded(value).replays == 1
    assert bench.state == "pending"


def test_who_asks_again_and_again_is_told_the_same_and_sends_one_event(bench: Bench) -> None:
    bench.fail()

    answers = [bench.ask("retry")["statusCode"] for _ in range(50)]

    assert answers == [202] * 50
    assert len(bench.broker.values(topics.UPLOADS.name)) == 1
    assert len(bench.broker.values(topics.FAILURES.name)) == 1


def test_of_two_that_ask_at_once_one_begins(bench: Bench) -> None:
    bench.fail()
    bench.marks.values[f"retry/{bench.job.job_id}.1"] = "busy:other"

    with pytest.raises(Unavailable, match="being begun"):
        bench.ask("retry")

    assert bench.broker.sent == []
    assert bench.state == "failed"


def test_a_job_is_tried_anew_within_its_tenants_quota() -> None:
    bench, other = Bench(Quota(images_a_day=1)), Bench(Quota(images_a_day=1))
    other.usage.images = 0
    bench.fail()
    other.fail()

    bench.ask("retry")
    with pytest.raises(OverQuota):
        other.ask("retry")

    assert other.state == "failed"
    assert other.broker.sent == []


def test_a_job_is_tried_anew_so_often_and_no_more(bench: Bench) -> None:
    event = bench.event
    for _ in range(20):
        bench.fail(event)
        bench.ask("retry")
        event = event.replayed()
    bench.fail(event)

    with pytest.raises(Conflict, match="20 times") as refused:
        bench.ask("retry")

    assert (refused.value.found, refused.value.allowed) == (20, "up to 20 times")
    assert bench.state == "failed"


def test_a_letter_that_a_killed_request_left_open_is_closed_by_the_next(bench: Bench) -> None:
    """The event was sent, and the job is completed by now."""
    bench.fail()
    bench.broker.refused.add(topics.FAILURES.name)
    bench.ask("retry")
    bench.broker.refused.clear()
    bench.marks.values.clear()
    bench.complete()

    for _ in range(3):
        with pytest.raises(Conflict, match="completed"):
            bench.ask("retry")

    assert len(bench.broker.values(topics.FAILURES.name)) == 1
    assert len(bench.broker.values(topics.UPLOADS.name)) == 1


def test_an_older_failure_is_tried_anew_by_what_the_image_says(bench: Bench) -> None:
    body = json.dumps({"status": "failed", "error": {**REASON, "attempts": 1}}).encode()
    bench.results.save_failure("default", bench.job.job_id, body)
    key = ids.input_key("default", IMAGE, "jpg")
    bench.store.create("input-images", key, b"bytes", "image/jpeg", {"job-id": "of another"})

    bench.ask("retry")

    event = decode_uploaded(bench.broker.values(topics.UPLOADS.name)[-1])
    assert (event.job_id, event.model_id, event.replays) == (bench.job.job_id, MODEL, 1)


def test_an_older_failure_without_its_image_says_so(bench: Bench) -> None:
    bench.results.save_failure("default", bench.job.job_id, b'{"error":{"code":"a"}}')

    with pytest.raises(NotFound, match="gone"):
        bench.ask("retry")


@pytest.mark.parametrize("state", ["pending", "completed", "cancelled"])
def test_only_a_failed_job_is_tried_anew(bench: Bench, state: str) -> None:
    if state == "completed":
        bench.complete()
    if state == "cancelled":
        bench.ask("cancel")

    with pytest.raises(Conflict) as refused:
        bench.ask("retry")

    assert (refused.value.code, refused.value.found) == ("job-not-failed", state)
    assert bench.broker.sent == []
