"""Every answer that docs/openapi.json has is got: here what only the whole system answers.

What the gateway and parts that fail answer is got by tests/integration/test_contract.py. The first
test lists those that nobody gets.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import pytest
import requests

from pipeline.ids import JobIds
from tests import pictures
from tests.contract import Call, contract, sample
from tests.contract_edge import edge
from tests.imagectl import keys
from tests.sending import accepted
from tests.stack import Stack, until

_BUSY = {429, 503}
_KEY = "narrow"


@dataclass(frozen=True)
class World:
    """A stack, and what was sent to it.

    Attributes:
        narrow_keys: keys of one scope alone, by that scope.
    """

    stack: Stack
    narrow_keys: Mapping[str, str]

    def ask(self, call: Call, path: str = "", **arguments: Any) -> requests.Response:
        """Ask, again while a busy stack says so."""

        def answer() -> requests.Response | None:
            found = self.stack.request(call.method.upper(), path or sample(call.path), **arguments)
            return None if found.status_code in _BUSY else found

        return until(answer)

    def upload(self, call: Call, data: bytes, **headers: str) -> requests.Response:
        """Send a picture to one of the doors that take one."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(call, files={"file": ("a.jpg", data)}, headers=named)

    @cached_property
    def completed(self) -> dict[str, Any]:
        job = accepted(self.stack, pictures.fresh("contract"))
        assert self.stack.finished(job["jobId"])["status"] == "completed"
        return job

    @cached_property
    def failed(self) -> dict[str, Any]:
        job = accepted(self.stack, pictures.damaged_inside(os.urandom(8)))
        assert self.stack.finished(job["jobId"])["status"] == "failed"
        return job

    @cached_property
    def expired(self) -> str:
        """A job that was accepted long ago."""
        ids = JobIds(self.stack.secret("job-signing-key"))
        long_ago = datetime.now(UTC) - timedelta(days=1000)
        return ids.issue("default", "0" * 64, "model", long_ago)


Get = Callable[[World, Call], requests.Response]


@pytest.fixture(scope="module")
def world(stack: Stack) -> Iterator[World]:
    made = ("create", "--tenant", "default", "--name", _KEY, "--scopes")
    narrow = {scope: keys(stack, *made, scope) for scope in ("upload", "read")}
    yield World(stack, narrow)
    keys(stack, "revoke", _KEY)


def _fresh() -> bytes:
    return pictures.fresh(f"contract {os.urandom(8).hex()}")


def _now(world: World, call: Call) -> requests.Response:
    return world.upload(call, _fresh(), Prefer="wait=0")


def _waited(world: World, call: Call) -> requests.Response:
    """With its result: a busy stack may need several."""

    def completed() -> requests.Response | None:
        answer = world.upload(call, _fresh(), Prefer="wait=30")
        return answer if answer.status_code == 200 else None

    return until(completed)


def _several(world: World, call: Call) -> requests.Response:
    files = [("file", ("a.jpg", _fresh())), ("file", ("b.txt", b"a text"))]
    return world.ask(call, files=files)


def _with_a_key_that_came_before(world: World, call: Call) -> requests.Response:
    key = os.urandom(8).hex()
    first = world.upload(call, _fresh(), Prefer="wait=0", Idempotency_Key=key)
    assert first.status_code == 202
    return world.upload(call, _fresh(), Prefer="wait=0", Idempotency_Key=key)


def _damaged(world: World, call: Call) -> requests.Response:
    return world.ask(call, data=pictures.png_claiming(100_000, 100_000))


def _with_a_key_in_use(world: World, call: Call) -> requests.Response:
    """The first of two waits for Kafka meanwhile."""

    def refused() -> requests.Response | None:
        headers = {"Idempotency-Key": os.urandom(8).hex(), "Prefer": "wait=0"}
        data = _fresh()

        def send(_: int) -> requests.Response:
            return world.stack.request("POST", sample(call.path), data=data, headers=headers)

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(send, range(2)))
        return next((each for each in answers if each.status_code == 409), None)

    with world.stack.frozen("kafka"):
        return until(refused)


def _without_the_scope(world: World, call: Call) -> requests.Response:
    (asked,) = contract().scopes(call)
    key = world.narrow_keys["upload" if asked == "read" else "read"]
    return world.ask(call, headers={"X-Api-Key": key})


def _of_job(name: str) -> Get:
    def get(world: World, call: Call) -> requests.Response:
        job = world.expired if name == "expired" else getattr(world, name)["jobId"]
        return world.ask(call, sample(call.path, jobId=job))

    return get


def _of_no_id(world: World, call: Call) -> requests.Response:
    return world.ask(call, sample(call.path, jobId="a~b"))


def _of_image(world: World, call: Call) -> requests.Response:
    return world.ask(call, sample(call.path, imageId=world.completed["imageId"]))


def _again(get: Get) -> Get:
    """The same, by who has the answer."""

    def get_again(world: World, call: Call) -> requests.Response:
        answer = get(world, call)
        path = answer.request.path_url
        return world.ask(call, path, headers={"If-None-Match": answer.headers["ETag"]})

    return get_again


def _cancelled(world: World, call: Call) -> requests.Response:
    with world.stack.frozen("image-process-consumer"):
        job = accepted(world.stack, _fresh())
        return world.ask(call, sample(call.path, jobId=job["jobId"]))


def _plain(world: World, call: Call) -> requests.Response:
    return world.ask(call, sample(call.path, file="main.js"))


def _labelled(world: World, call: Call) -> requests.Response:
    return world.ask(call, data=pictures.jpeg())


def _called_later(world: World, call: Call) -> requests.Response:
    return world.ask(call, sample(call.path, name="image-classifier"), data=pictures.jpeg())


_JOB = {"200": _of_job("completed"), "304": _again(_of_job("completed"))}
_IMAGE = {"200": _of_image, "304": _again(_of_image)}
_FILE = {"200": _plain, "304": _again(_plain)}
_KEYS = {"409": _with_a_key_in_use, "422": _with_a_key_that_came_before}
_GETS: Mapping[str, Mapping[str, Get]] = {
    "POST /api/v1/images": {"200": _waited, "202": _now, "207": _several, **_KEYS},
    "POST /upload/": {"200": _waited, "202": _now, **_KEYS},
    "POST /api/classify": {"202": _now, **_KEYS},
    "POST /function/image-classifier": {"200": _labelled, "422": _damaged},
    "GET /api/v1/jobs/{jobId}": {**_JOB, "410": _of_job("expired")},
    "GET /api/results/{jobId}": {**_JOB, "410": _of_job("expired")},
    "GET /api/v1/images/{imageId}": _IMAGE,
    "POST /api/v1/jobs/{jobId}/cancel": {
        "200": _cancelled,
        "405": _of_no_id,
        "409": _of_job("completed"),
        "410": _of_job("expired"),
    },
    "POST /api/v1/jobs/{jobId}/retry": {
        "202": _of_job("failed"),
        "405": _of_no_id,
        "409": _of_job("completed"),
        "410": _of_job("expired"),
    },
    "POST /async-function/{name}": {"202": _called_later},
    "POST /async-function/{name}/{path}": {"202": _called_later},
    "GET /api/v1/key": {"200": _plain},
    "GET /healthz": {"200": _plain},
    "GET /readyz": {"200": _plain},
    **{f"GET {path}": _FILE for path in ("/", "/page/{file}", "/docs", "/redoc", "/openapi.json")},
}


def _get_of(call: Call, status: str) -> Get | None:
    return _without_the_scope if status == "403" else _GETS.get(str(call), {}).get(status)


LEFT = [(call, status) for call, status in contract().answers if (call, status) not in edge()]


def test_every_documented_answer_is_got_somewhere() -> None:
    missing = [f"{call} {status}" for call, status in LEFT if _get_of(call, status) is None]
    known = {(str(call), status) for call, status in LEFT}
    more = [(call, status) for call, gets in _GETS.items() for status in gets]

    assert missing == []
    assert [pair for pair in more if pair not in known] == []


@pytest.mark.parametrize(("call", "status"), LEFT, ids=str)
def test_it_is_answered_as_the_document_has_it(world: World, call: Call, status: str) -> None:
    get = _get_of(call, status)
    assert get is not None

    answer = get(world, call)

    # The stack of the tests has held it against the document.
    assert str(answer.status_code) == status, answer.text
