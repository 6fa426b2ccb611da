"""/async-function on a stack of processes: accepted, made, told, tried again; nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pipeline.ids import CALL_BUCKET
from pipeline.kafka import topics
from tests.async_queue import Queue, digest, running_queue
from tests.chaos.async_storm import TARGETS, Storm
from tests.imagectl import imagectl
from tests.kafka import read_topic
from tests.samples import called
from tests.sending import publish
from tests.stack import until

ATTEMPTS = 5
LARGE = b"large" * 400_000


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queue]:
    settings = {
        "MAX_ATTEMPTS": str(ATTEMPTS),
        "RETRY_BASE_SECONDS": "0.1",
        "ASYNC_CALL_WAIT_SECONDS": "1",
    }
    with running_queue(tmp_path_factory.mktemp("queue") / "state", 2, **settings) as running:
        yield running


@pytest.fixture(autouse=True)
def sound(queue: Queue) -> None:
    """Calls are taken, whatever an earlier test killed."""
    queue.receiver.status = 200
    until(lambda: queue.call().status_code == 202)


def letters(queue: Queue, call_id: str) -> list[dict[str, Any]]:
    listed = imagectl(queue.stack, "dead-letters", "list", "--json", call_id)
    assert listed.returncode == 0, listed.stderr
    rows: list[dict[str, Any]] = json.loads(listed.stdout)
    return rows


def letter(queue: Queue, call_id: str) -> dict[str, Any]:
    """Wait for the letter of a call."""
    return until(lambda: letters(queue, call_id) or None)[0]


def test_a_call_is_accepted_made_and_its_answer_sent_on(queue: Queue) -> None:
    call_id = queue.accepted(
        "/seen/a%20b?c=d", X_Mine="yes", X_Callback_Url=f"{queue.receiver.url}/1"
    )

    told = queue.told(call_id)
    seen = json.loads(told.body)
    headers = {name.lower(): value for name, value in seen["headers"]}

    assert (told.path, told.headers["X-Function-Name"]) == ("/answers/1", "worker")
    assert told.headers["X-Function-Status"] == "200"
    assert float(told.headers["X-Duration-Seconds"]) > 0
    assert (seen["path"], seen["query"]) == ("/seen/a b", {"c": "d"})
    assert (headers["x-mine"], headers["x-call-id"]) == ("yes", call_id)
    assert not headers.keys() & {"x-api-key", "x-callback-url", "x-gateway-token"}


def test_a_call_keeps_the_id_that_it_came_with(queue: Queue) -> None:
    assert queue.accepted(X_Call_Id="mine-1") == "mine-1"
    until(lambda: queue.times()["mine-1"])


def test_a_large_body_comes_whole_and_so_does_its_answer(queue: Queue) -> None:
    call_id = queue.accepted("/echo", LARGE, X_Callback_Url=queue.receiver.url)

    assert queue.told(call_id).body == LARGE
    assert queue.digests(call_id) == {digest(LARGE)}
    assert list(queue.stack.store.keys(CALL_BUCKET, ""))


@pytest.mark.parametrize(
    ("url", "said"),
    [("http://127.0.0.1:1/", "allowed is http://127.0.0.1"), ("http://[", "allowed is http://127")],
)
def test_another_callback_is_refused_and_nothing_is_called(
    queue: Queue, url: str, said: str
) -> None:
    answer = queue.call(X_Callback_Url=url, X_Call_Id="refused")

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:image-pipeline:problem:callback-not-allowed"
    assert said in answer.json()["detail"]
    assert "refused" not in queue.times()


def test_strangers_have_nothing_called(queue: Queue) -> None:
    stack = queue.stack
    path = "/async-function/image-classifier"

    outside = requests.post(stack.url + "/async-function/worker", b"x", timeout=60)
    queue_itself = requests.post(
        f"http://127.0.0.1:{stack.ports['ASYNC_CALL']}/calls",
        json.dumps(
            {"callId": "a", "function": "image-classifier", "method": "POST", "path": "/",
             "headers": []}
        ) + "\nx",
        timeout=60,
    )  # fmt: skip
    unknown = requests.post(stack.provider_url + path, b"x", timeout=60)

    assert outside.status_code == 401
    assert queue_itself.status_code == 401
    # On this stack it is not deployed: tests/security/test_matrix.py tries it where it is.
    assert unknown.status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_refused(queue: Queue, method: str) -> None:
    stack = queue.stack

    answer = requests.request(method, f"{stack.provider_url}/async-function/worker", timeout=60)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_a_call_that_always_fails_ends_as_a_dead_letter_and_can_be_replayed(queue: Queue) -> None:
    call_id = queue.accepted("/status/500", X_Callback_Url=queue.receiver.url)

    told, found = queue.told(call_id), letter(queue, call_id)
    made = queue.times()[call_id]
    replayed = imagectl(queue.stack, "dead-letters", "replay", call_id)

    assert (found["reason"]["code"], found["stage"]) == ("function-failed", "invoke")
    assert found["attempts"] == made == ATTEMPTS
    assert told.headers["X-Function-Status"] == "500"
    assert replayed.returncode == 0, replayed.stderr
    until(lambda: queue.times()[call_id] == 2 * ATTEMPTS)


def test_an_error_of_the_callers_is_the_answer(queue: Queue) -> None:
    call_id = queue.accepted("/status/418", X_Callback_Url=queue.receiver.url)

    assert queue.told(call_id).headers["X-Function-Status"] == "418"
    assert queue.times()[call_id] == 1


@pytest.mark.parametrize("status", [500, 503])
def test_a_call_that_fails_once_is_made_again(queue: Queue, status: int) -> None:
    call_id = queue.accepted(f"/once/{status}", X_Callback_Url=queue.receiver.url)

    assert queue.told(call_id).headers["X-Function-Status"] == "200"
    assert queue.times()[call_id] == 2


def test_a_function_that_never_has_room_ends_as_a_dead_letter(queue: Queue) -> None:
    call_id = queue.accepted("/status/503")

    assert letter(queue, call_id)["reason"]["code"] == "function-unavailable"


def test_a_receiver_that_fails_is_asked_again_and_the_function_is_not(queue: Queue) -> None:
    queue.receiver.status = 302
    call_id = queue.accepted(
        "/echo", b"to a receiver that fails", X_Callback_Url=queue.receiver.url
    )
    until(lambda: len(queue.receiver.of(call_id)) >= 2)
    queue.receiver.status = 200

    until(lambda: queue.receiver.told[-1].headers["X-Call-Id"] == call_id)

    assert queue.times()[call_id] == 1
    assert {told.path for told in queue.receiver.of(call_id)} == {"/answers"}


def test_who_writes_into_kafka_calls_nothing(queue: Queue) -> None:
    forged = called(call_id="forged").signed("a guess").encode()
    publish(queue.stack, topics.CALLS.name, forged, "forged")

    def buried() -> bool:
        failures = read_topic(queue.stack, topics.FAILURES.name)
        return any("signature" in each.event["data"]["reason"]["detail"] for each in failures
                   if "reason" in each.event["data"])  # fmt: skip

    until(buried)

    assert "forged" not in queue.times()


def test_what_is_counted_is_told(queue: Queue) -> None:
    metrics = requests.get(
        f"http://127.0.0.1:{queue.stack.ports['ASYNC_CALL']}/metrics", timeout=60
    )

    for name in ("accepted_total", 'total{outcome="answered"}', "waiting"):
        assert f"function_calls_{name}" in metrics.text


def test_nothing_is_lost_while_everything_is_killed_once(queue: Queue) -> None:
    storm, calls = Storm(queue), 300

    with storm.sending(calls):
        for number, name in enumerate(TARGETS, 1):
            storm.wait_for(number * calls // (len(TARGETS) + 1))
            until(lambda name=name: queue.stack.kill(name))  # type: ignore[misc]
    verdict = storm.settle()

    assert (verdict.accepted, verdict.failing) == (calls, 3)
    assert (verdict.lost, verdict.untold, verdict.garbled) == ([], [], [])
    assert (verdict.unburied, verdict.blamed) == ([], [])
