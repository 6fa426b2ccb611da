"""What becomes of one call: its answer sent on, another attempt, or its dead letter."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from callbacks import CallbackFailed, Callbacks
from invocation import CallFailed, FunctionClient, NotNow, Said
from pipeline.consuming.retries import RetryPolicy
from pipeline.errors import PipelineError, Refused, Rejected, Unavailable
from pipeline.events.calls import Answer, FunctionCalled, Payload
from pipeline.events.cloudevents import Origin
from pipeline.events.dead_letters import encode_call_failed, encode_failed
from pipeline.events.failures import reason_of
from pipeline.ids import CALL_BUCKET, call_key, image_id
from pipeline.kafka import topics
from pipeline.kafka.publisher import Publisher
from pipeline.storage.object_store import ObjectStore
from pipeline.telemetry import CALLBACKS, CALLS
from queued import Internal, Queued, names_of

logger = logging.getLogger(__name__)

# Bodies of more than a megabyte, and what is answered to them, in memory at once.
_LARGE_AT_ONCE = 4
# What a receiver is told of a call that nobody answered.
_NO_ANSWER = 502
_TEXT = (("Content-Type", "text/plain; charset=utf-8"),)


class Deadly(PipelineError):
    """Nobody who worked on this call lived to say what became of it."""

    code = "deadly"


class BodyLost(PipelineError):
    """The body of a call is not in MinIO as it was stored."""

    code = "body-lost"


class CallProcessor:
    """Works off calls; safe to call from several threads."""

    def __init__(
        self,
        client: FunctionClient,
        callbacks: Callbacks,
        publisher: Publisher,
        store: ObjectStore,
        policy: RetryPolicy,
        *,
        key: str,
        wait_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._callbacks = callbacks
        self._publisher = publisher
        self._store = store
        self._policy = policy
        self._key = key
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._large = threading.BoundedSemaphore(_LARGE_AT_ONCE)

    def process(self, queued: Queued) -> FunctionCalled | None:
        """Work off one message.

        Returns:
            None: its end, the next attempt or the dead letter is acknowledged. Else what is left
            of it to do, as a dependency does not answer: it stays uncommitted.

        Raises:
            Unreachable: no function can be called now.
        """
        call = queued.call
        if call is None or queued.problem is not None:
            self._bury_unreadable(queued, queued.problem or Rejected("there is no call"))
            return None
        if queued.was_alone and call.attempt > self._policy.max_attempts:
            spent = replace(call, attempt=self._policy.max_attempts)
            deadly = Deadly("the consumer died each time it made this call")
            self._bury(spent, queued.origin, deadly)
            return None
        with self._room(call):
            return self._work(call, queued.origin)

    def _work(self, call: FunctionCalled, origin: Origin) -> FunctionCalled | None:
        if call.answer is None:
            try:
                said = self._client.call(call, self._body(call, call.body))
            except Unavailable:
                raise
            except PipelineError as error:
                return self._fail(call, origin, error)
            except Exception as error:  # a bug: it costs the call its attempts, and no other's
                logger.exception("a bug", extra=names_of(call))
                bug = Internal(f"a bug in async-call-consumer: {type(error).__name__}")
                return self._fail(call, origin, bug)
            CALLS.labels("answered").inc()
            logger.info("answered", extra=names_of(call) | {"status": said.status})
            if not call.callback_url:
                return None
            call = call.answered(_answer(said), self._key)
            return self._send_on(call, origin, said.body)
        return self._send_on(call, origin)

    def _fail(
        self, call: FunctionCalled, origin: Origin, error: PipelineError
    ) -> FunctionCalled | None:
        now = self._clock()
        if isinstance(error, NotNow):
            since = call.waiting_since or now
            if now - since < self._wait_seconds:
                wait = self._policy.wait_seconds(call.waits + 1)
                return self._again(call.later(now + wait, now), "put-off", error)
        elif call.attempt < self._policy.max_attempts and not _is_final(error):
            wait = self._policy.wait_seconds(call.attempt)
            return self._again(call.again(now + wait), "retried", error)
        self._bury(call, origin, error)
        if not call.callback_url:
            return None
        said = error.answer if isinstance(error, CallFailed) else None
        said = said or Said(_NO_ANSWER, _TEXT, str(error).encode(errors="replace"), 0.0)
        answered = call.answered(_answer(said, is_failure=True), self._key)
        return self._send_on(answered, origin, said.body)

    def _send_on(
        self, call: FunctionCalled, origin: Origin, body: bytes | None = None
    ) -> FunctionCalled | None:
        """Send an answer to its receiver; a failure costs an attempt of the callback alone.

        Args:
            body: None: it is in the event, or in MinIO.
        """
        assert call.answer is not None
        try:
            whole = self._body(call, call.answer.body, is_answer=True) if body is None else body
            self._callbacks.send(call, whole)
        except (CallbackFailed, Rejected, BodyLost, Refused) as error:
            if body is not None and call.answer.body.digest:
                # Before an event says that it is there. If it cannot be: the call is made again.
                key = call_key(call.event_id, is_answer=True)
                self._store.put(CALL_BUCKET, key, body, "application/octet-stream")
            try:
                self._settle_callback(call, origin, error)
            except Unavailable:
                return call  # answered: it is not made again
        else:
            CALLBACKS.labels("delivered").inc()
            logger.info("sent on", extra=names_of(call))
        return None

    def _settle_callback(self, call: FunctionCalled, origin: Origin, error: PipelineError) -> None:
        if isinstance(error, CallbackFailed) and call.attempt < self._policy.max_attempts:
            CALLBACKS.labels("retried").inc()
            again = call.again(self._clock() + self._policy.wait_seconds(call.attempt))
            self._again(again, "", error)
            return
        CALLBACKS.labels("dead-lettered").inc()
        self._bury(call, origin, error)

    def _again(
        self, again: FunctionCalled, outcome: str, error: PipelineError
    ) -> FunctionCalled | None:
        if outcome:
            CALLS.labels(outcome).inc()
        logger.warning("later", extra=names_of(again) | {"reason": str(error)})
        self._publish(topics.CALLS_RETRY.name, again.event_id, again.encode())
        return None

    def _bury(self, call: FunctionCalled, origin: Origin, error: PipelineError) -> None:
        letter = encode_call_failed(call, reason_of(error), origin, call.attempt)
        if call.answer is None:
            CALLS.labels("dead-lettered").inc()
        logger.error("dead-lettered", extra=names_of(call) | {"reason": str(error)})
        self._publish(topics.FAILURES.name, call.event_id, letter)

    def _bury_unreadable(self, queued: Queued, error: PipelineError) -> None:
        origin, reason = queued.origin, reason_of(error)
        letter = encode_failed(queued.raw, None, reason, origin, stage="read")
        CALLS.labels("unreadable").inc()
        logger.error("unreadable", extra={"origin": str(origin), "reason": reason["detail"]})
        place = f"{origin.topic}/{origin.partition}/{origin.offset}"
        self._publish(topics.FAILURES.name, place, letter)

    def _publish(self, topic: str, key: str, value: bytes) -> None:
        """Publish and wait; what Kafka refuses for good is waited for as well, and said."""
        try:
            self._publisher.publish(topic, key, value)
        except Refused as error:
            raise Unavailable(f"an event is not taken: {error}") from error

    def _body(self, call: FunctionCalled, payload: Payload, *, is_answer: bool = False) -> bytes:
        if not payload.digest:
            return payload.inline
        body = self._store.get(CALL_BUCKET, call_key(call.event_id, is_answer=is_answer))
        if body is None or image_id(body) != payload.digest:
            what = "is not in MinIO" if body is None else "is another than was stored"
            raise BodyLost(f"the body of {payload.size} bytes {what}")
        return body

    @contextmanager
    def _room(self, call: FunctionCalled) -> Iterator[None]:
        """Let few large bodies be in memory at once."""
        payloads = [call.body, *([call.answer.body] if call.answer else [])]
        if not any(each.digest for each in payloads):
            yield
            return
        with self._large:
            yield


def _is_final(error: PipelineError) -> bool:
    """Tell that another attempt cannot help."""
    if isinstance(error, CallFailed):
        return error.code == "answer-too-large"
    return isinstance(error, BodyLost | Refused)


def _answer(said: Said, *, is_failure: bool = False) -> Answer:
    return Answer(said.status, said.headers, Payload.of(said.body), said.seconds, is_failure)
