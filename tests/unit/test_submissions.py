"""Requests with several images, and requests that are sent again with their Idempotency-Key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import idempotency
import replies
from admission import Admission
from doors import Door
from form import Form, SentFile
from idempotency import Keys
from pipeline import ids
from pipeline.errors import Conflict, InvalidImage, KeyReused, OverQuota, Rejected, Unavailable
from pipeline.http.web import Call
from pipeline.images import decoding
from pipeline.kafka import topics
from pipeline.kafka.publisher import Written
from pipeline.quotas import Quota
from pipeline.settings import Settings
from pipeline.storage.results import Found
from pipeline.storage.usage import Usage, Used
from quota_gate import QuotaGate
from submitting import Submissions, Submitted
from tests import pictures
from tests.fakes import MemoryMarks, MemoryStore, StubBroker
from upload import Uploads

MODEL = "demonstration-0123456789ab"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
KEY = {"Idempotency-Key": '"a key"'}
GOOD = [SentFile(pictures.with_nonce(pictures.jpeg(), b"%d" % n), f"{n}.jpg") for n in range(4)]
BAD = SentFile(b"a text", "a.txt")
NAME = idempotency.name_of("default", "a key")
TTL_SECONDS = 3600


class Room(Admission):
    """An admission with room for so many images."""

    def __init__(self, images: int) -> None:
        self.images = images

    @contextmanager
    def one(self) -> Iterator[None]:
        if not self.images:
            raise Unavailable("full", code="backlog-full", retry_after_seconds=7)
        self.images -= 1
        yield


class UsedUp(Usage):
    """What any tenant may send was sent."""

    def take(self, tenant: str, quota: Quota, *_: Any, **__: Any) -> Used | None:
        return Used(images_a_day=quota.images_a_day, refused="images_a_day")


class Bench:
    """Submissions over fakes; a `quota` is used up."""

    def __init__(self) -> None:
        self.store, self.broker, self.marks = MemoryStore(), StubBroker(), MemoryMarks()
        self.now = datetime(2026, 1, 2, tzinfo=UTC)
        self.room = 1000
        self.model = MODEL
        self.quota = Quota()
        self.signing_keys: tuple[str, ...] = ("key",)

    def send(
        self,
        *sent: SentFile,
        headers: dict[str, str] | None = None,
        tenant: str = "default",
        call_id: str = "call-1",
    ) -> Submitted:
        job_ids = ids.JobIds(lambda: self.signing_keys)
        limits = decoding.Limits.from_settings(Settings())
        keys = Keys(
            self.store,
            self.marks,
            job_ids,
            self.model,
            ttl_seconds=TTL_SECONDS,
            busy_seconds=75,
            clock=lambda: self.now,
        )
        uploads = Uploads(limits, self.store, self.broker, job_ids, self.model)
        call = Call("POST", "/", {}, {"X-Call-Id": call_id, **(headers or {})}, b"", TRACE)
        quotas = QuotaGate(self.store, UsedUp(Settings()), self.quota)
        submissions = Submissions(uploads, keys, Room(self.room), quotas)
        return submissions.submit(tenant, call, lambda: Form(list(sent), {}))

    @property
    def events(self) -> list[dict[str, Any]]:
        accepted = {topic.name for topic in topics.ACCEPTED}
        return [json.loads(value) for topic, _, value in self.broker.sent if topic in accepted]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def job_ids_of(submitted: Submitted) -> list[str]:
    return [job.job_id for job in submitted.jobs]


def entries(submitted: Submitted, found: dict[str, Found] | None = None) -> list[dict[str, Any]]:
    response = replies.of(submitted, found or {}, TRACE, Door())
    assert response["statusCode"] == 207
    told: list[dict[str, Any]] = json.loads(response["body"])["images"]
    return told


def test_several_images_have_an_entry_each_in_their_order(bench: Bench) -> None:
    submitted = bench.send(GOOD[0], BAD, GOOD[1])

    told = entries(submitted)

    assert [each["fileName"] for each in told] == ["0.jpg", "a.txt", "1.jpg"]
    assert [each["httpStatus"] for each in told] == [202, 415, 202]
    assert [each["status"] for each in told] == ["accepted", "refused", "accepted"]
    assert [told[0]["jobId"], told[2]["jobId"]] == job_ids_of(submitted)
    assert told[1]["problem"]["type"].endswith(":unsupported-format")
    assert told[1]["problem"]["traceId"] == TRACE
    assert [each["data"]["originalFileName"] for each in bench.events] == ["0.jpg", "1.jpg"]


@pytest.mark.parametrize("count", [1, 3])
def test_what_was_accepted_before_takes_no_room_of_a_quota(bench: Bench, count: int) -> None:
    first = bench.send(*GOOD[:count], headers=KEY)
    bench.quota = Quota(images_a_day=count)

    again = bench.send(*GOOD[:count], headers=KEY)

    assert again.is_repeated
    assert job_ids_of(again) == job_ids_of(first)
    assert len(bench.events) == count
    with pytest.raises(OverQuota):
        bench.send(GOOD[3])


def test_one_image_is_answered_as_it_is(bench: Bench) -> None:
    submitted = bench.send(GOOD[0])

    response = replies.of(submitted, {}, TRACE, Door())

    (job_id,) = job_ids_of(submitted)
    assert response["statusCode"] == 202
    assert json.loads(response["body"])["jobId"] == job_id
    assert response["headers"]["Location"] == f"/api/v1/jobs/{job_id}"
    with pytest.raises(InvalidImage):
        bench.send(BAD)


def test_those_that_were_waited_for_are_completed_and_the_others_accepted(bench: Bench) -> None:
    submitted = bench.send(*GOOD[:2])
    found = {job_ids_of(submitted)[1]: Found(b'{"labels":[]}', from_cache=True)}

    told = entries(submitted, found)

    assert [each["httpStatus"] for each in told] == [202, 200]
    assert told[1]["result"] == {"labels": []}
    headers = replies.of(submitted, found, TRACE, Door())["headers"]
    assert headers["Preference-Applied"] == "wait"


def test_who_finds_no_room_any_more_says_so_for_the_rest(bench: Bench) -> None:
    bench.room = 2

    submitted = bench.send(*GOOD)

    told = entries(submitted)
    assert [each["httpStatus"] for each in told] == [202, 202, 503, 503]
    assert told[3]["problem"]["type"].endswith(":backlog-full")
    assert replies.of(submitted, {}, TRACE, Door())["headers"]["Retry-After"] == "7"


def test_a_broker_that_is_down_is_asked_once(bench: Bench) -> None:
    bench.broker.down = True

    told = entries(bench.send(*GOOD))

    assert [each["httpStatus"] for each in told] == [503] * 4
    assert len([bucket for bucket, _ in bench.store.objects if bucket == "input-images"]) == 1


@pytest.mark.parametrize("sent", [GOOD[:1], GOOD[:3], [GOOD[0], BAD, GOOD[1]]])
def test_the_same_request_again_is_the_same_jobs(bench: Bench, sent: Sequence[SentFile]) -> None:
    first = bench.send(*sent, headers=KEY)
    bench.now += timedelta(seconds=TTL_SECONDS - 1)

    again = bench.send(*sent, headers=KEY, call_id="call-2")

    assert job_ids_of(again) == job_ids_of(first)
    assert (first.is_repeated, again.is_repeated) == (False, True)
    assert len(set(job_ids_of(first))) == len(first.jobs) == len(bench.events)
    headers = replies.of(again, {}, TRACE, Door())["headers"]
    assert headers["Idempotent-Replayed"] == "true"


def test_a_key_without_quotes_is_the_same_key(bench: Bench) -> None:
    first = bench.send(GOOD[0], headers={"Idempotency-Key": '"abc"'})

    again = bench.send(GOOD[0], headers={"Idempotency-Key": "abc"})

    assert job_ids_of(again) == job_ids_of(first)


def test_another_name_of_the_file_or_another_model_is_the_same_request(bench: Bench) -> None:
    first = bench.send(GOOD[0], headers=KEY)
    bench.model = "another-0123456789ab"

    again = bench.send(SentFile(GOOD[0].data, "other.jpg"), headers=KEY)

    assert job_ids_of(again) == job_ids_of(first)


@pytest.mark.parametrize("keys", [("key", "new"), ("new", "key"), ("third", "new", "key")])
def test_under_another_signing_key_the_same_request_is_the_same_job(
    bench: Bench, keys: tuple[str, ...]
) -> None:
    first = bench.send(*GOOD[:2], headers=KEY)
    bench.signing_keys = keys

    again = bench.send(*GOOD[:2], headers=KEY, call_id="call-2")

    assert job_ids_of(again) == job_ids_of(first)
    assert again.is_repeated
    assert len(bench.events) == 2


def test_when_the_signing_key_is_gone_the_jobs_are_and_the_request_is_a_new_one(
    bench: Bench,
) -> None:
    first = bench.send(GOOD[0], headers=KEY)
    bench.signing_keys = ("new",)
    with pytest.raises(KeyReused):
        bench.send(GOOD[1], headers=KEY)

    later = bench.send(GOOD[0], headers=KEY)

    assert not later.is_repeated
    assert [each["data"]["jobId"] for each in bench.events] == [
        *job_ids_of(first),
        *job_ids_of(later),
    ]
    assert bench.send(GOOD[0], headers=KEY).jobs == later.jobs


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (GOOD[:1], GOOD[1:2]),
        (GOOD[:2], GOOD[:1]),
        (GOOD[:2], [GOOD[1], GOOD[0]]),
        (GOOD[:1], GOOD[:2]),
        ([GOOD[0], BAD], [GOOD[0], SentFile(b"other", "")]),
    ],
)
def test_a_key_with_other_bytes_is_refused_and_nothing_accepted(
    bench: Bench, first: Sequence[SentFile], second: Sequence[SentFile]
) -> None:
    bench.send(*first, headers=KEY)
    before = (dict(bench.store.objects), list(bench.broker.sent))

    with pytest.raises(KeyReused) as refused:
        bench.send(*second, headers=KEY)

    assert (refused.value.status, refused.value.code) == (422, "idempotency-key-reused")
    assert (bench.store.objects, bench.broker.sent) == before


def test_a_key_of_another_tenant_is_another_key(bench: Bench) -> None:
    first = bench.send(GOOD[0], headers=KEY)

    other = bench.send(GOOD[1], headers=KEY, tenant="other")

    assert not other.is_repeated
    assert job_ids_of(first) != job_ids_of(other)


def test_an_image_that_is_refused_leaves_its_key_free(bench: Bench) -> None:
    with pytest.raises(InvalidImage):
        bench.send(BAD, headers=KEY)

    assert bench.send(GOOD[0], headers=KEY).jobs
    assert [value[:5] for value in bench.marks.values.values()] == ["done:"]


def test_a_key_may_be_used_anew_when_its_time_is_over(bench: Bench) -> None:
    bench.send(GOOD[0], headers=KEY)
    bench.now += timedelta(seconds=TTL_SECONDS + 1)

    later = bench.send(GOOD[1], headers=KEY)

    assert not later.is_repeated
    assert bench.send(GOOD[1], headers=KEY).jobs == later.jobs


@pytest.mark.parametrize("part", ["store", "broker"])
def test_what_was_done_under_a_key_says_nothing_of_its_next_use(bench: Bench, part: str) -> None:
    bench.send(GOOD[0], headers=KEY)
    bench.now += timedelta(seconds=TTL_SECONDS - 1)
    bench.send(GOOD[0], headers=KEY)
    bench.now += timedelta(seconds=5)
    getattr(bench, part).down = True
    with pytest.raises(Unavailable):
        bench.send(GOOD[1], headers=KEY, call_id="call-2")
    getattr(bench, part).down = False

    again = bench.send(GOOD[1], headers=KEY, call_id="call-3")

    assert [event["data"]["jobId"] for event in bench.events][1:] == job_ids_of(again)


def test_of_two_that_use_a_key_anew_one_does(bench: Bench) -> None:
    bench.send(GOOD[0], headers=KEY)
    bench.now += timedelta(seconds=TTL_SECONDS + 1)
    marked, swap = dict(bench.marks.values), bench.marks.swap

    def late(name: str, own: str, value: str, seconds: int) -> bool | None:
        bench.marks.values[NAME] = "busy:call-2"
        return swap(name, own, value, seconds)

    bench.marks.swap = late  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        bench.send(GOOD[1], headers=KEY, call_id="call-3")

    assert marked != bench.marks.values == {NAME: "busy:call-2"}
    assert len(bench.events) == 1


def test_a_slow_request_leaves_the_mark_of_its_successor(bench: Bench) -> None:
    bench.broker.down = True
    publish = bench.broker.publish

    def slow(topic: str, key: str, value: bytes) -> Written:
        bench.marks.values[NAME] = "busy:call-2"
        return publish(topic, key, value)

    bench.broker.publish = slow  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        bench.send(GOOD[0], headers=KEY)
    assert bench.marks.values == {NAME: "busy:call-2"}
    bench.broker.down = False
    bench.send(GOOD[0], headers=KEY, call_id="call-2")
    bench.send(GOOD[0], headers=KEY, call_id="call-2")

    assert len(bench.events) == 1


@pytest.mark.parametrize("works", [True, False])
def test_a_mark_that_redis_did_not_change_is_changed_after_its_rest(
    bench: Bench, works: bool
) -> None:
    publish = bench.broker.publish

    def failing(topic: str, key: str, value: bytes) -> Written:
        bench.marks.failing = 1
        if not works:
            raise Unavailable("no")
        return publish(topic, key, value)

    bench.broker.publish = failing  # type: ignore[method-assign]
    with suppress(Unavailable):
        bench.send(GOOD[0], headers=KEY)

    assert [value[:5] for value in bench.marks.values.values()] == ["done:"] * works
    assert bench.marks.rested == 1


def test_nobody_waits_for_a_redis_that_did_not_answer_before(bench: Bench) -> None:
    bench.marks.down = True

    bench.send(GOOD[0], headers=KEY)

    assert bench.marks.rested == 0


def test_a_request_that_is_worked_on_is_not_begun_twice(bench: Bench) -> None:
    bench.marks.values[NAME] = "busy:call-0"

    with pytest.raises(Conflict) as refused:
        bench.send(GOOD[0], headers=KEY)

    assert (refused.value.status, refused.value.code) == (409, "idempotency-key-in-use")
    assert bench.marks.values[NAME] == "busy:call-0"
    assert bench.store.objects == {}


def test_a_call_that_is_handed_to_another_replica_goes_on(bench: Bench) -> None:
    bench.marks.values[NAME] = "busy:call-1"

    assert bench.send(GOOD[0], headers=KEY, call_id="call-1").jobs


@pytest.mark.parametrize("part", ["store", "broker"])
def test_a_request_that_found_no_answer_may_be_sent_again_at_once(bench: Bench, part: str) -> None:
    getattr(bench, part).down = True
    with pytest.raises(Unavailable):
        bench.send(GOOD[0], headers=KEY)
    getattr(bench, part).down = False

    again = bench.send(GOOD[0], headers=KEY, call_id="call-2")

    assert [event["data"]["jobId"] for event in bench.events] == job_ids_of(again)


def test_of_several_those_without_answer_are_accepted_by_the_next_with_the_same_jobs(
    bench: Bench,
) -> None:
    bench.room = 2
    first = bench.send(*GOOD, headers=KEY)
    bench.room = 1000

    again = bench.send(*GOOD, headers=KEY)

    assert job_ids_of(again)[:2] == job_ids_of(first)
    assert {event["data"]["jobId"] for event in bench.events} == set(job_ids_of(again))
    assert len(again.jobs) == 4


def test_without_redis_the_same_request_is_the_same_job_done_again(bench: Bench) -> None:
    bench.marks.down = True
    first = bench.send(GOOD[0], headers=KEY)

    again = bench.send(GOOD[0], headers=KEY)

    assert job_ids_of(again) == job_ids_of(first)
    assert [event["data"]["jobId"] for event in bench.events] == 2 * job_ids_of(first)
    # The second looks for a result first, and is the same event for whoever counts.
    assert [event.get("redelivered", False) for event in bench.events] == [False, True]
    assert len({event["id"] for event in bench.events}) == 1


def test_a_killed_request_is_finished_by_the_next(bench: Bench) -> None:
    """The key was taken down, and then the replica was killed."""
    bench.broker.down = True
    with pytest.raises(Unavailable):
        bench.send(GOOD[0], headers=KEY)
    bench.broker.down = False
    bench.marks.values.clear()

    again = bench.send(GOOD[0], headers=KEY)

    assert again.is_repeated
    assert [event["data"]["jobId"] for event in bench.events] == job_ids_of(again)


@pytest.mark.parametrize(
    "text",
    ["", '""', "a b", '"a', 'a"', '"a"b"', "a, b", '"a", "b"', "é", "x" * 256, f'"{"x" * 256}"'],
)
def test_what_is_no_key_is_refused_by_name(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        idempotency.key_of(Call("POST", "/", {}, {"Idempotency-Key": text}, b"", TRACE))

    assert (refused.value.status, refused.value.code) == (400, "bad-idempotency-key")
    assert refused.value.found == text[:200]


@pytest.mark.parametrize("text", ["8e03978e-40d5-43e8-bc93", '"a, b"', '"\\"\\\\"', "x" * 255])
def test_a_key_is_a_string_with_or_without_quotes(text: str) -> None:
    assert idempotency.key_of(Call("POST", "/", {}, {"Idempotency-Key": text}, b"", TRACE))
