"""What becomes of one batch: results, retries and dead letters, each acknowledged."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, NamedTuple, cast

from circuit_breaker import Breaker
from deliveries import Delivery
from invoke import ClassifierClient
from outcomes import Deadly, NotNow, Outcome, internal, may_work_later, outcome_of, stage_of
from patience import Patience
from pipeline.consuming.retries import RetryPolicy
from pipeline.errors import MalformedEvent, PipelineError, Refused, Unavailable
from pipeline.events import cloudevents
from pipeline.events.cloudevents import ImageUploaded
from pipeline.events.dead_letters import encode_failed
from pipeline.events.failures import encode_failure, reason_of
from pipeline.hooks import crashes
from pipeline.ids import RESULT_BUCKET, result_key
from pipeline.kafka import topics
from pipeline.kafka.publisher import Publisher, Written
from pipeline.storage.results import Results
from pipeline.telemetry import EVENTS

logger = logging.getLogger(__name__)


class Event(NamedTuple):
    """What is published of one image."""

    topic: str
    key: str
    value: bytes


class Processor:
    """Works off batches; safe to call from several threads."""

    def __init__(
        self,
        classifier: ClassifierClient,
        publisher: Publisher,
        results: Results,
        policy: RetryPolicy,
        breaker: Breaker,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._classifier = classifier
        self._publisher = publisher
        self._results = results
        self._policy = policy
        self._breaker = breaker
        self._patience = Patience()
        self._clock = clock

    def process(self, batch: Sequence[Delivery]) -> list[Delivery]:
        """Work off a batch.

        Returns:
            What could not be finished because a dependency does not answer: it stays uncommitted
            and is tried again, at no cost in attempts. Of everything else the result, the retry
            or the dead letter is acknowledged.
        """
        settled: list[tuple[Delivery, Event]] = []
        unfinished: list[Delivery] = []
        for delivery, outcome in self._outcomes(batch):
            try:
                settled.append((delivery, self._settle(delivery, outcome)))
            except Unavailable as error:
                _log_waiting(delivery, error)
                unfinished.append(delivery)
        # Handed over in one go, so that the producer sends many together without waiting for them.
        sent = [self._publisher.send(*event) for _, event in settled]
        for (delivery, event), acknowledgement in zip(settled, sent, strict=True):
            try:
                self._acknowledge(delivery, event, acknowledgement)
            except Unavailable as error:
                _log_waiting(delivery, error)
                unfinished.append(delivery)
        return unfinished

    def _outcomes(self, batch: Sequence[Delivery]) -> Iterator[tuple[Delivery, Outcome]]:
        images: list[tuple[Delivery, ImageUploaded]] = []
        for delivery in batch:
            event = delivery.event
            if event is None or delivery.problem is not None:
                yield delivery, delivery.problem or MalformedEvent("there is no event")
            elif delivery.was_alone and event.attempt > self._policy.max_attempts:
                yield delivery, Deadly("the consumer died each time it worked on this image")
            else:
                images.append((delivery, event))
        yield from self._classify(images)

    def _classify(
        self, images: Sequence[tuple[Delivery, ImageUploaded]]
    ) -> Iterator[tuple[Delivery, Outcome]]:
        if not images:
            return
        try:
            answers = self._classifier.classify(
                [event for _, event in images],
                is_urgent=all(delivery.is_urgent for delivery, _ in images),
            )
            crashes.point("consumer.answered")
            outcomes = [outcome_of(answer) for answer in answers]
        except Unavailable as error:
            yield from ((delivery, error) for delivery, _ in images)
        except Exception as error:  # a bug of ours may lie in the way of one image, too
            if len(images) == 1:
                yield images[0][0], _cause(images[0][0], error)
                return
            # One by one: the image at fault must not drag the others along.
            for image in images:
                yield from self._classify([image])
        else:
            for (delivery, _), outcome in zip(images, outcomes, strict=True):
                yield delivery, outcome

    def _settle(self, delivery: Delivery, outcome: Outcome) -> Event:
        """Tell what is to be published of an outcome, and store what goes before it.

        A bug that is met here costs this image an attempt, and its message is never met again
        without an end: if even the image's failure cannot be written, its bytes are buried.

        Raises:
            Unavailable: a dependency does not answer.
        """
        causes: list[PipelineError] = []
        for settle in (self._end, self._fail, self._bury_unreadable):
            try:
                return settle(delivery, causes[-1] if causes else outcome)
            except Unavailable:
                raise
            except Exception as error:
                causes.append(_cause(delivery, error))
        raise Unavailable(f"not even a dead letter can be written: {causes[-1]}")

    def _end(self, delivery: Delivery, outcome: Outcome) -> Event:
        if isinstance(outcome, PipelineError):
            return self._fail(delivery, outcome)
        return self._complete(delivery, outcome)

    def _fail(self, delivery: Delivery, outcome: Outcome) -> Event:
        error = cast(PipelineError, outcome)  # results are no failures
        if isinstance(error, NotNow):
            error = self._patience.wait(delivery.origin, error)
        if isinstance(error, Unavailable):
            raise error
        # Bytes that are no event say nothing about those who work: they do not stop them.
        if not isinstance(error, MalformedEvent):
            self._breaker.let_fail(error)
        if delivery.event is None:
            return self._bury_unreadable(delivery, error)
        if isinstance(error, Deadly):
            # No attempt was made since, however often a consumer died while it wrote this down.
            spent = replace(delivery.event, attempt=self._policy.max_attempts)
            return self._bury(delivery, spent, error)
        if may_work_later(error) and delivery.event.attempt < self._policy.max_attempts:
            return self._retry(delivery.event, error)
        return self._bury(delivery, delivery.event, error)

    def _acknowledge(self, delivery: Delivery, event: Event, sent: Future[Written]) -> None:
        """Wait until an event is acknowledged; one that Kafka refuses is a dead letter instead.

        Raises:
            Unavailable: it is not, or not even the dead letter is taken.
        """
        try:
            self._publisher.wait(sent)
        except Refused as error:
            if event.topic == topics.FAILURES.name:
                raise Unavailable(f"the dead letter is not taken: {error}") from error
            event = self._settle(delivery, error)
            self._acknowledge(delivery, event, self._publisher.send(*event))
        crashes.point("acknowledged", event.topic)

    def _complete(self, delivery: Delivery, result: dict[str, Any]) -> Event:
        event = cast(ImageUploaded, delivery.event)  # what has no event has no result
        self._breaker.note_success()
        self._patience.forget(delivery.origin)
        if not (event.duplicate or event.redelivered or event.attempt > 1):
            self._patience.note_new()
        key = result_key(event.tenant_id, event.image_id, result["modelId"])
        value = cloudevents.encode_classified(event, result, f"{RESULT_BUCKET}/{key}")
        EVENTS.labels("completed").inc()
        logger.info("completed", extra=_names(event))
        return Event(topics.RESULTS.name, event.image_id, value)

    def _retry(self, event: ImageUploaded, error: PipelineError) -> Event:
        again = event.again(self._clock() + self._policy.wait_seconds(event.attempt))
        EVENTS.labels("retried").inc()
        logger.warning("retried", extra=_names(event) | {"reason": str(error)})
        return Event(topics.RETRY.name, event.image_id, again.encode())

    def _bury(self, delivery: Delivery, event: ImageUploaded, error: PipelineError) -> Event:
        """Write the failure, from which the job's state is told, then the dead letter."""
        reason = reason_of(error)
        try:
            failure = encode_failure(event, reason, self._clock())
            self._results.save_failure(event.tenant_id, event.job_id, failure)
        except Refused as refused:
            # Its job will never say so, but the letter does.
            logger.error("failure refused", extra=_names(event) | {"reason": str(refused)})
        letter = encode_failed(delivery.raw, event, reason, delivery.origin, stage=stage_of(error))
        EVENTS.labels("dead-lettered").inc()
        logger.error("dead-lettered", extra=_names(event) | {"reason": str(error)})
        return Event(topics.FAILURES.name, event.image_id, letter)

    def _bury_unreadable(self, delivery: Delivery, outcome: Outcome) -> Event:
        origin, error = delivery.origin, cast(PipelineError, outcome)
        reason = reason_of(error)
        letter = encode_failed(delivery.raw, None, reason, origin, stage=stage_of(error))
        EVENTS.labels("unreadable").inc()
        logger.error("unreadable", extra={"origin": str(origin), "reason": reason["detail"]})
        place = f"{origin.topic}/{origin.partition}/{origin.offset}"
        return Event(topics.FAILURES.name, place, letter)


def _cause(delivery: Delivery, error: Exception) -> PipelineError:
    """Tell what an error means for this message alone; one that nobody meant is a bug."""
    if isinstance(error, PipelineError):
        return error
    logger.exception("a bug", exc_info=error, extra={"origin": str(delivery.origin)})
    return internal(error)


def _log_waiting(delivery: Delivery, error: Unavailable) -> None:
    names = _names(delivery.event) if delivery.event else {"origin": str(delivery.origin)}
    logger.warning("waiting", extra=names | {"reason": str(error)})


def _names(event: ImageUploaded) -> dict[str, object]:
    # Named one by one: a log line holds no more of an event than it takes to find it.
    trace = event.traceparent.split("-")[1] if event.traceparent.count("-") == 3 else ""
    return {
        "image_id": event.image_id,
        "job_id": event.job_id,
        "attempt": event.attempt,
        "trace_id": trace,
    }
