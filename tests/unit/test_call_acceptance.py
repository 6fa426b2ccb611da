"""When a call is accepted, and what is said of one that is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from acceptance import Acceptance
from callbacks import Callbacks
from invocation import Tokens
from pipeline.errors import PipelineError, Unavailable
from pipeline.events.call_checks import decode_called
from pipeline.events.calls import MAX_HEADER_BYTES, MAX_INLINE_BYTES, FunctionCalled
from pipeline.http.identity import GATEWAY, TOKEN_HEADER, Signer, Verifier
from pipeline.ids import CALL_BUCKET, call_key
from pipeline.kafka import topics
from pipeline.kafka.backlog import BacklogProbe, Reading
from pipeline.names import FUNCTIONS
from pipeline.settings import Settings
from tests.fakes import MemoryStore, StubBroker

KEY = "a key"
MOST_BYTES = 2_000_000


class StubBacklog(BacklogProbe):
    """So many calls wait."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting

    def read(self) -> Reading:
        return Reading(self.waiting, 0)


class Bench:
    """A queue's door, and what lies behind it."""

    def __init__(self, folder: Path, waiting: int = 0) -> None:
        for name in FUNCTIONS:
            (folder / f"{name}-key").write_text(f"key of {name}")
        self.tokens = Tokens(Settings(secrets_dir=str(folder)))
        self.store, self.broker = MemoryStore(), StubBroker()
        self.acceptance = Acceptance(
            self.tokens, Callbacks("http://hooks.example/", 1.0), self.broker, self.store,
            lambda: StubBacklog(waiting), key=KEY, most_waiting=10, most_bytes=MOST_BYTES,
        )  # fmt: skip

    def accept(
        self, body: bytes = b"x", headers: dict[str, str] | None = None, **told: Any
    ) -> FunctionCalled:
        head = {
            "callId": "a-call",
            "function": "worker",
            "method": "POST",
            "path": "/",
            "headers": [list(each) for each in (headers or {}).items()],
            **told,
        }
        return self.acceptance.accept(json.dumps(head).encode() + b"\n" + body)

    def queued(self) -> list[FunctionCalled]:
        return [decode_called(value, KEY) for value in self.broker.values(topics.CALLS.name)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def signed(name: str, path: str = "/", key: str = "", seconds: float = 60.0) -> dict[str, str]:
    signer = Signer(GATEWAY, name, key or f"key of {name}")
    scopes = ("read", "upload")
    token = signer.sign("POST", path, scopes=scopes, lifetime_seconds=seconds, tenant="someone")
    return {TOKEN_HEADER: token}


def code_of(bench: Bench, **call: Any) -> str:
    with pytest.raises(PipelineError) as refused:
        bench.accept(**call)
    assert bench.broker.sent == []
    assert bench.store.objects == {}
    return refused.value.code


def test_a_call_is_accepted_when_kafka_has_it(bench: Bench) -> None:
    call = bench.accept(headers={"X-A": "b"})

    assert bench.queued() == [call]
    assert (call.body.inline, call.headers) == (b"x", (("X-A", "b"),))


def test_a_body_may_hold_lines_of_its_own(bench: Bench) -> None:
    assert bench.accept(b'\n{"function": "image-results"}\n').body.inline.startswith(b"\n{")


def test_a_large_body_is_stored_before_kafka_has_the_call(bench: Bench) -> None:
    body = b"a" * (MAX_INLINE_BYTES + 1)
    bench.broker.down = True

    with pytest.raises(Unavailable):
        bench.accept(body)
    assert list(bench.store.objects.values()) == [body]
    bench.broker.down = False
    call = bench.accept(body)

    assert bench.store.get(CALL_BUCKET, call_key(call.event_id)) == body


def test_what_kafka_does_not_acknowledge_is_not_accepted(bench: Bench) -> None:
    bench.broker.down = True

    assert code_of(bench) == "unavailable"


def test_a_store_that_is_down_refuses_large_bodies_alone(bench: Bench) -> None:
    bench.store.down = True

    assert code_of(bench, body=b"a" * (MAX_INLINE_BYTES + 1)) == "unavailable"
    assert bench.accept()


def test_headers_that_are_ours_or_of_one_connection_do_not_wait_with_the_call(bench: Bench) -> None:
    headers = ("x-gateway-token", "X-Api-Key", "Transfer-Encoding", "connection", "Host", "Expect")

    call = bench.accept(headers={**dict.fromkeys(headers, "a"), "Authorization": "b"})

    assert call.headers == (("Authorization", "b"),)


def test_a_call_of_ours_waits_in_the_name_of_who_sent_it(bench: Bench, tmp_path: Path) -> None:
    call = bench.accept(
        headers=signed("image-results", "/images/ä"),
        function="image-results.openfaas-fn",
        path="/images/%C3%A4?a=b",
    )

    token = bench.tokens.sign(bench.queued()[0])
    verifier = Verifier("image-results", {GATEWAY: "key of image-results"})
    caller = verifier.verify(token, "POST", "/images/ä")

    assert (call.tenant, caller.tenant) == ("someone", "someone")
    assert caller.scopes == {"read", "upload"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {TOKEN_HEADER: "v1.a.b"},
        signed("image-upload"),
        signed("image-classifier", "/other"),
        signed("image-classifier", key="a guess"),
        signed("image-classifier", seconds=-60),
    ],
    ids=["none", "no token", "another function", "another path", "a guess", "an old one"],
)
@pytest.mark.parametrize("function", ["image-classifier", "image-classifier.openfaas-fn"])
def test_a_function_of_ours_asks_for_its_token(
    bench: Bench, function: str, headers: dict[str, str]
) -> None:
    assert code_of(bench, function=function, headers=headers) == "unauthorized"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"method": "GET"}, "method-not-allowed"),
        ({"path": "no slash"}, "bad-request"),
        ({"function": "a/b"}, "bad-request"),
        ({"callId": None}, "bad-request"),
        ({"headers": {"X-Callback-Url": "http://evil.example/"}}, "callback-not-allowed"),
        ({"headers": {"X-A": "a" * (MAX_HEADER_BYTES + 1)}}, "headers-too-large"),
        ({"headers": {"X-A": "a\r\nX-Gateway-Token: b"}}, "bad-request"),
        ({"body": bytes(MOST_BYTES + 1)}, "body-too-large"),
    ],
)
def test_a_call_that_can_never_be_made_is_refused(
    bench: Bench, call: dict[str, Any], code: str
) -> None:
    assert code_of(bench, **call) == code


@pytest.mark.parametrize("document", [b"", b"{}", b"[]\n", b"\xff\n", b"{" * 300_000])
def test_what_is_no_call_is_refused(bench: Bench, document: bytes) -> None:
    with pytest.raises(PipelineError) as refused:
        bench.acceptance.accept(document)

    assert refused.value.status == 400


def test_a_full_queue_takes_no_more(tmp_path: Path) -> None:
    assert code_of(Bench(tmp_path, waiting=10)) == "queue-full"
