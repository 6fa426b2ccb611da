"""Which events are read, and which of them are begun together."""

from __future__ import annotations

from concurrent.futures import Executor

from call_limit import CallLimit
from circuit_breaker import Breaker
from deliveries import Delivery, read
from pending import Pending
from pipeline.consuming.group_consumer import GroupConsumer, MakeConsumer
from pipeline.consuming.membership import Membership
from pipeline.consuming.progress import Mark
from pipeline.events.cloudevents import Origin
from pipeline.hooks import crashes
from pipeline.kafka import topics
from pipeline.kafka.consumer import make_consumer
from pipeline.kafka.topics import Partition
from pipeline.settings import Settings
from pipeline.timeouts.defaults import DRAIN_SECONDS
from process import Processor
from workers import Workers

# How many batches of the largest size are read beyond the commit, of each partition. However many
# calls are made at once: it is how far a crash may have to be looked for.
_BATCHES_AHEAD = 16


class ImageProcessConsumer(GroupConsumer):
    """Has events processed in batches.

    Args:
        limit: how many batches at once.
        pool: runs the batches; threads of its own when None.
    """

    def __init__(
        self,
        settings: Settings,
        processor: Processor,
        breaker: Breaker,
        membership: Membership,
        limit: CallLimit,
        make_consumer: MakeConsumer = make_consumer,
        pool: Executor | None = None,
    ) -> None:
        size, most = settings.batch_size, settings.max_attempts
        super().__init__(
            settings,
            membership,
            [topic.name for topic in topics.READ],
            ahead=size * _BATCHES_AHEAD,
            at_once=size,
            drain_seconds=DRAIN_SECONDS,
            make_consumer=make_consumer,
        )
        self._pending = Pending()
        self._workers = Workers(processor, self._pending, limit, self._endings, size, pool, most)
        self._breaker = breaker

    def why_unhealthy(self) -> str | None:
        """Tell why events are not worked off, or None."""
        return super().why_unhealthy() or self._breaker.why_open()

    def _queue(self, raw: bytes, origin: Origin, *, again: bool, died: Mark) -> None:
        self._pending.add(
            read(
                raw,
                origin,
                redelivered=again,
                died=died,
                max_attempts=self._max_attempts,
                longest_wait_seconds=self._longest_wait_seconds,
            )
        )

    def _start(self) -> None:
        if not self._breaker.is_resting():
            self._workers.start(self._begin_batch, alone=self._is_careful())

    def _is_careful(self) -> bool:
        return self._assignment.needs_care or self._breaker.why_open() is not None

    def _begin_batch(self, batch: list[Delivery], alone: bool) -> None:
        began = ((each.origin, bool(each.event and each.event.redelivered)) for each in batch)
        self._begin(began, alone=alone)

    def _collect(self) -> None:
        if self._workers.is_busy:
            crashes.point("consumer.invoked")
        for delivery in self._workers.finished():
            self._finish(delivery.origin)

    def _is_held_up(self) -> bool:
        return bool(self._pending) and self._workers.is_busy

    def _wait(self, seconds: float) -> None:
        self._workers.wait(seconds)

    def _drop(self, places: set[Partition]) -> None:
        self._workers.drop(places)

    def _close(self) -> None:
        self._workers.close()
