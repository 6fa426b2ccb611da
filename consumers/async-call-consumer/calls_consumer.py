"""Which calls are read and made, how many at once, and which of them alone."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from invocation import Unreachable
from pipeline.consuming.group_consumer import GroupConsumer, MakeConsumer
from pipeline.consuming.membership import Membership
from pipeline.consuming.progress import Mark
from pipeline.errors import Unavailable
from pipeline.events.calls import FunctionCalled
from pipeline.events.cloudevents import Origin
from pipeline.kafka import topics
from pipeline.kafka.consumer import make_consumer
from pipeline.kafka.topics import Partition
from pipeline.settings import Settings
from pipeline.telemetry import CALLS_IN_FLIGHT
from pipeline.timeouts.defaults import DRAIN_SECONDS
from processing import CallProcessor
from queued import Queue, Queued, read

logger = logging.getLogger(__name__)

# How long a call rests after a dependency did not answer; and all of them when none can be made.
_REST_SECONDS = 0.5
# Read ahead of the commit, of each partition: what other functions' calls are found behind those
# of a slow one, and what a kill may have made twice at most.
_EVENTS_AHEAD = 256
_READ_AT_ONCE = 32
# Of messages that were read and wait; beyond that nothing is fetched.
_MOST_HELD_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class _Running:
    queued: Queued
    left: Future[FunctionCalled | None]
    dropped: set[Partition] = field(default_factory=set)


class CallsConsumer(GroupConsumer):
    """Makes calls, several at once.

    Args:
        key: what our calls are signed with.
        pool: makes the calls; threads of its own when None.
    """

    def __init__(
        self,
        settings: Settings,
        processor: CallProcessor,
        membership: Membership,
        key: str,
        make_consumer: MakeConsumer = make_consumer,
        pool: Executor | None = None,
    ) -> None:
        super().__init__(
            settings,
            membership,
            [topics.CALLS.name, topics.CALLS_RETRY.name],
            ahead=_EVENTS_AHEAD,
            at_once=_READ_AT_ONCE,
            drain_seconds=DRAIN_SECONDS,
            make_consumer=make_consumer,
        )
        self._most = settings.async_calls_in_flight
        self._processor = processor
        self._key = key
        self._waiting = Queue(max(1, self._most // 2))
        self._pool = pool or ThreadPoolExecutor(self._most, thread_name_prefix="call")
        self._running: list[_Running] = []
        self._rests_until = 0.0

    def _is_heavy(self) -> bool:
        return self._waiting.held_bytes > _MOST_HELD_BYTES

    def _queue(self, raw: bytes, origin: Origin, *, again: bool, died: Mark) -> None:
        self._waiting.add(
            read(
                raw,
                origin,
                self._key,
                again=again,
                died=died,
                max_attempts=self._max_attempts,
                longest_wait_seconds=self._longest_wait_seconds,
            )
        )

    def _start(self) -> None:
        """Make as many calls as there is room for; one alone where a consumer keeps dying."""
        while len(self._running) < self._most:
            now = time.monotonic()
            alone = self._assignment.needs_care or self._waiting.has_one_alone(now)
            if now < self._rests_until or (alone and self._running):
                break
            queued = self._waiting.take(now, alone=alone)
            if queued is None:
                break
            self._begin([(queued.origin, queued.again)], alone=alone)
            left = self._pool.submit(self._processor.process, queued)
            self._endings.watch(left)
            self._running.append(_Running(queued, left))
            if alone:
                break
        CALLS_IN_FLIGHT.set(len(self._running))

    def _collect(self) -> None:
        for running in [each for each in self._running if each.left.done()]:
            self._running.remove(running)
            queued = running.queued
            self._waiting.release(queued)
            try:
                left = running.left.result()
            except Unreachable as error:
                self._rests_until = time.monotonic() + _REST_SECONDS
                self._put_off(running, queued.call, error)
            except Unavailable as error:
                self._put_off(running, queued.call, error)
            except Exception as bug:
                # Neither committed, nor the end of a process that would only meet it again.
                logger.exception("call failed", extra={"origin": str(queued.origin)})
                self._put_off(running, queued.call, bug)
            else:
                if left is not None:
                    self._put_off(running, left, Unavailable("a dependency does not answer"))
                else:
                    self._finish(queued.origin)

    def _put_off(self, running: _Running, left: FunctionCalled | None, why: Exception) -> None:
        queued = running.queued
        logger.warning("waiting", extra={"origin": str(queued.origin), "reason": str(why)})
        if queued.place not in running.dropped:
            self._waiting.add(queued.later(time.monotonic() + _REST_SECONDS, left))

    def _is_held_up(self) -> bool:
        return bool(len(self._waiting) and self._running)

    def _wait(self, seconds: float) -> None:
        wait([each.left for each in self._running], seconds)

    def _drop(self, places: set[Partition]) -> None:
        self._waiting.drop(places)
        for running in self._running:
            running.dropped.update(places)

    def _close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
