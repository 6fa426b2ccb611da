"""What becomes of one batch: results, retries and dead letters, each acknowledged."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

from breaker import Breaker
from deliveries import Delivery
from invoke import CallFailed, ClassifierClient
from pipeline import crashes, events, topics
from pipeline.broker import Publisher
from pipeline.dead_letters import encode_failed
from pipeline.errors import InvalidImage, MalformedEvent, PipelineError, Unavailable
from pipeline.events import ImageUploaded
from pipeline.ids import RESULT_BUCKET, result_key
from pipeline.results import Results
from pipeline.telemetry import EVENTS

logger = logging.getLogger(__name__)

LARGEST_JITTER = 1.2

# What is known of one image after a call: its result, or what stood in the way.
Outcome = dict[str, Any] | PipelineError


class Event(NamedTuple):
    """What is published of one image."""

    topic: str
    key: str
    value: bytes


class Deadly(PipelineError):
    """Nobody who worked on this image lived to say what became of it."""

    code = "deadly"


@dataclass(frozen=True)
class RetryPolicy:
    """How often an image is tried and how long each wait is; jitter is ±20 %."""

    max_attempts: int
    base_seconds: float
    max_seconds: float

    def wait_seconds(self, attempt: int) -> float:
        """Choose the wait after this attempt."""
        wait = min(self.base_seconds * 2.0 ** (attempt - 1), self.max_seconds)
        return wait * random.uniform(0.8, LARGEST_JITTER)


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
        self._clock = clock

    def process(self, batch: Sequence[Delivery]) -> list[Delivery]:
        """Work off a batch.

        Returns:
            What could not be finished because a dependency does not answer: it stays uncommitted
            and is tried again, at no cost in attempts. Of everything else the result, the retry
            or the dead letter is acknowledged.
        """
        settled: list[tuple[Delivery, Outcome, Event]] = []
        unfinished: list[Delivery] = []
        for delivery, outcome in self._outcomes(batch):
            try:
                settled.append((delivery, outcome, self._settle(delivery, outcome)))
            except Unavailable as error:
                _log_waiting(delivery, error)
                unfinished.append(delivery)
        # Handed over in one go, so that the producer sends many together without waiting for them.
        sent = [self._publisher.send(*event) for _, _, event in settled]
        for (delivery, outcome, _), acknowledgement in zip(settled, sent, strict=True):
            try:
                self._publisher.wait(acknowledgement)
            except Unavailable as error:
                _log_waiting(delivery, error)
                unfinished.append(delivery)
            else:
                if self._is_buried(delivery, outcome):
                    crashes.point("consumer.dead-lettered")
        return unfinished

    def _outcomes(self, batch: Sequence[Delivery]) -> Iterator[tuple[Delivery, Outcome]]:
        images: list[tuple[Delivery, ImageUploaded]] = []
        for delivery in batch:
            event = delivery.event
            if event is None:
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
            answers = self._classifier.classify([event for _, event in images])
            crashes.point("consumer.answered")
        except CallFailed as error:
            if len(images) == 1:
                yield images[0][0], error
                return
            # One by one: the image at fault must not drag the others along.
            for image in images:
                yield from self._classify([image])
        except Unavailable as error:
            yield from ((delivery, error) for delivery, _ in images)
        else:
            for (delivery, _), answer in zip(images, answers, strict=True):
                yield delivery, _outcome(answer)

    def _settle(self, delivery: Delivery, outcome: Outcome) -> Event:
        """Tell what is to be published of an outcome, and store what goes before it.

        Raises:
            Unavailable: a dependency does not answer.
        """
        if isinstance(outcome, Unavailable):
            raise outcome
        if not isinstance(outcome, PipelineError):
            return self._complete(delivery, outcome)
        self._breaker.let_fail(outcome)
        if delivery.event is None:
            return self._bury_unreadable(delivery, outcome)
        if isinstance(outcome, Deadly):
            # No attempt was made since, however often a consumer died while it wrote this down.
            spent = replace(delivery.event, attempt=self._policy.max_attempts)
            return self._bury(delivery, spent, outcome)
        if self._is_buried(delivery, outcome):
            return self._bury(delivery, delivery.event, outcome)
        return self._retry(delivery.event, outcome)

    def _is_buried(self, delivery: Delivery, outcome: Outcome) -> bool:
        """Tell whether trying again would not help, or has been done often enough."""
        if not isinstance(outcome, PipelineError) or isinstance(outcome, Unavailable):
            return False
        spent = delivery.event is None or delivery.event.attempt >= self._policy.max_attempts
        return spent or not isinstance(outcome, CallFailed)

    def _complete(self, delivery: Delivery, result: dict[str, Any]) -> Event:
        event = cast(ImageUploaded, delivery.event)  # what has no event has no result
        self._breaker.note_success()
        key = result_key(event.tenant_id, event.image_id, result["modelId"])
        value = events.encode_classified(event, result, f"{RESULT_BUCKET}/{key}")
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
        reason = {"code": error.code, "detail": str(error)}
        failure = {
            "jobId": event.job_id,
            "imageId": event.image_id,
            "modelId": event.model_id,
            "status": "failed",
            "error": {**reason, "attempts": event.attempt},
            "failedAt": events.datetime_text(self._clock()),
        }
        body = json.dumps(failure, ensure_ascii=False).encode()
        self._results.save_failure(event.tenant_id, event.job_id, body)
        letter = encode_failed(delivery.raw, event, reason, delivery.origin, stage=_stage(error))
        EVENTS.labels("dead-lettered").inc()
        logger.error("dead-lettered", extra=_names(event) | {"reason": str(error)})
        return Event(topics.FAILURES.name, event.image_id, letter)

    def _bury_unreadable(self, delivery: Delivery, error: PipelineError) -> Event:
        origin = delivery.origin
        reason = {"code": error.code, "detail": str(error)}
        letter = encode_failed(delivery.raw, None, reason, origin, stage=_stage(error))
        EVENTS.labels("unreadable").inc()
        logger.error("unreadable", extra={"origin": str(origin), "reason": reason["detail"]})
        place = f"{origin.topic}/{origin.partition}/{origin.offset}"
        return Event(topics.FAILURES.name, place, letter)


def _outcome(answer: dict[str, Any]) -> Outcome:
    if answer["status"] == "completed":
        result: dict[str, Any] = answer["result"]
        return result
    error = answer.get("error", {})
    detail = str(error.get("detail", ""))
    if answer["status"] == "invalid":
        return InvalidImage(detail, code=str(error.get("code", InvalidImage.code)))
    return Unavailable(detail)


def _stage(error: PipelineError) -> str:
    """Tell how far an image came before it failed."""
    if isinstance(error, InvalidImage):
        return "fetch" if error.code in ("image-missing", "image-changed") else "decode"
    stages: dict[type[PipelineError], str] = {MalformedEvent: "read", Deadly: "consume"}
    return stages.get(type(error), "invoke")


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
