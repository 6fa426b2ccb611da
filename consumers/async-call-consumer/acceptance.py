"""When a call is accepted: 202 is said when Kafka has acknowledged it, and MinIO a large body.

The provider hands it over as one document: a line of JSON that says what was asked for, and below
it the body as it is.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from callbacks import Callbacks
from invocation import Tokens
from pipeline import strict_json
from pipeline.errors import (
    HeadersTooLarge,
    MalformedEvent,
    MethodNotAllowed,
    Rejected,
    TooLarge,
    Unavailable,
)
from pipeline.events.call_checks import parse_called
from pipeline.events.calls import MAX_HEADER_BYTES, FunctionCalled, Payload, header_bytes
from pipeline.events.cloudevents import datetime_text
from pipeline.http.identity import TOKEN_HEADER
from pipeline.ids import CALL_BUCKET, call_key
from pipeline.kafka import topics
from pipeline.kafka.backlog import BacklogProbe
from pipeline.kafka.publisher import Publisher
from pipeline.storage.object_store import ObjectStore
from pipeline.telemetry import CALLS_ACCEPTED, CALLS_WAITING

CALLBACK_HEADER = "x-callback-url"
MAX_HEAD_BYTES = 262_144
# Ours to say, each for its own way.
_NOT_FORWARDED = frozenset(
    {CALLBACK_HEADER, TOKEN_HEADER.lower(), "x-api-key", "x-call-id", "traceparent"}
    # About one connection, or told anew.
    | {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"}
    | {"proxy-authorization", "proxy-connection", "transfer-encoding", "upgrade"}
)
_LOOK_EVERY_SECONDS = 1.0
_FULL_RETRY_SECONDS = 30


class Acceptance:
    """Takes calls; safe to use from several threads.

    Args:
        make_backlog: makes what tells how many calls wait.
        most_waiting: calls in the queue beyond which no more are taken; 0: any number.
    """

    def __init__(
        self,
        tokens: Tokens,
        callbacks: Callbacks,
        publisher: Publisher,
        store: ObjectStore,
        make_backlog: Callable[[], BacklogProbe],
        *,
        key: str,
        most_waiting: int,
        most_bytes: int,
    ) -> None:
        self._tokens = tokens
        self._callbacks = callbacks
        self._publisher = publisher
        self._store = store
        self._make_backlog = make_backlog
        self._backlog: BacklogProbe | None = None
        self._key = key
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes
        self._looking = threading.Lock()
        self._looked_at = 0.0
        self._waiting = 0

    def accept(self, document: bytes) -> FunctionCalled:
        """Take a call.

        Raises:
            Rejected: it can never be made so; says why.
            Unavailable: the queue is full, or Kafka or MinIO does not answer.
        """
        call, body = self._read(document)
        self._refuse_beyond_bound()
        if call.body.digest:
            key = call_key(call.event_id)
            self._store.put(CALL_BUCKET, key, body, "application/octet-stream")
        self._publisher.publish(topics.CALLS.name, call.event_id, call.encode())
        CALLS_ACCEPTED.inc()
        return call

    def waiting(self) -> int:
        """Tell how many calls are not finished; asked of Kafka once a second at most.

        Raises:
            Unavailable: Kafka does not say.
        """
        with self._looking:
            if time.monotonic() - self._looked_at >= _LOOK_EVERY_SECONDS:
                # A client of its own, that a queue which nobody uses does not need.
                self._backlog = self._backlog or self._make_backlog()
                self._waiting = self._backlog.read().waiting
                self._looked_at = time.monotonic()
                CALLS_WAITING.set(self._waiting)
            return self._waiting

    def _refuse_beyond_bound(self) -> None:
        if self._most_waiting and (waiting := self.waiting()) >= self._most_waiting:
            raise Unavailable(
                f"{waiting} calls wait; {self._most_waiting} may",
                code="queue-full",
                retry_after_seconds=_FULL_RETRY_SECONDS,
                found=waiting,
                allowed=self._most_waiting,
            )

    def _read(self, document: bytes) -> tuple[FunctionCalled, bytes]:
        line, _, body = document.partition(b"\n")
        try:
            head = strict_json.parse(line, MAX_HEAD_BYTES)
            call, token = self._call(head if isinstance(head, dict) else {}, body)
        except (ValueError, MalformedEvent) as error:
            raise Rejected(f"the call cannot be read: {error}") from error
        if call.method != "POST":
            detail = f"{call.method} is not allowed here; an asynchronous call is a POST"
            raise MethodNotAllowed(detail, found=call.method, allowed="POST")
        if header_bytes(call.headers) > MAX_HEADER_BYTES:
            found = header_bytes(call.headers)
            raise HeadersTooLarge(
                f"the headers are {found} bytes; {MAX_HEADER_BYTES} wait with a call",
                found=found,
                allowed=MAX_HEADER_BYTES,
            )
        if len(body) > self._most_bytes:
            raise TooLarge(
                f"body is {len(body)} bytes; the limit is {self._most_bytes} bytes",
                found=len(body),
                allowed=self._most_bytes,
            )
        if call.callback_url:
            self._callbacks.check(call.callback_url)
        return self._tokens.admit(call, token).signed(self._key), body

    def _call(self, head: dict[str, Any], body: bytes) -> tuple[FunctionCalled, str]:
        """Make a call of what was asked for, checked as any event is, and find its token."""
        headers = head.get("headers")
        given = {
            each[0].lower(): each[1]
            for each in (headers if isinstance(headers, list) else ())
            if isinstance(each, list) and [type(it) for it in each] == [str, str]
        }
        data = {
            "id": secrets.token_hex(16),
            **{name: head.get(name) for name in ("callId", "function", "method", "path")},
            "headers": headers,
            "body": "",
            "acceptedAt": datetime_text(time.time()),
            "callbackUrl": given.get(CALLBACK_HEADER, ""),
            "tenantId": "",
            "scopes": [],
            "keyId": "",
        }
        event = {
            "type": "FunctionCalled",
            "traceparent": given.get("traceparent", ""),
            "signature": "0" * 64,
            "data": data,
        }
        call = parse_called(event)
        forwarded = tuple(each for each in call.headers if each[0].lower() not in _NOT_FORWARDED)
        call = replace(call, headers=forwarded, body=Payload.of(body))
        return call, given.get(TOKEN_HEADER.lower(), "")
