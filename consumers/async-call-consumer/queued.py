"""One call read from Kafka, and which of those read may be made now."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass, replace

from pipeline import telemetry
from pipeline.consuming.progress import NOTHING, Mark
from pipeline.errors import MalformedEvent, PipelineError
from pipeline.events.call_checks import decode_called
from pipeline.events.calls import FunctionCalled
from pipeline.events.checks import MAX_COUNT
from pipeline.events.cloudevents import Origin
from pipeline.kafka.topics import Partition

logger = logging.getLogger(__name__)


class Internal(PipelineError):
    """A bug of ours was met over this message."""

    code = "internal"


@dataclass(frozen=True)
class Queued:
    """A message, the call in it or what is wrong with it, and when it may be made.

    Attributes:
        problem: why it fails untried, if it does.
        due: monotonic seconds before which it waits.
        was_alone: a consumer died while it worked on this and on nothing else.
        alone: nothing else is to be worked on at once, so that it is known whose crash it was.
        again: a consumer before may have begun it.
    """

    raw: bytes
    origin: Origin
    call: FunctionCalled | None
    problem: PipelineError | None = None
    due: float = 0.0
    was_alone: bool = False
    alone: bool = False
    again: bool = False

    @property
    def place(self) -> Partition:
        """The partition it was read from."""
        return self.origin.topic, self.origin.partition

    @property
    def function(self) -> str:
        """Whose room it takes."""
        return self.call.function.partition(".")[0] if self.call else ""

    def later(self, due: float, call: FunctionCalled | None) -> Queued:
        """Put it off; it may have been answered meanwhile."""
        return replace(self, due=due, call=call)


def read(
    raw: bytes,
    origin: Origin,
    key: str,
    *,
    again: bool = False,
    died: Mark = NOTHING,
    max_attempts: int = 0,
    longest_wait_seconds: float = 0.0,
) -> Queued:
    """Read a message; one that is no call of ours is kept with the reason.

    Args:
        key: what our calls are signed with.
        again: a consumer before may have begun it.
        died: how often a consumer died while it worked on this; each time was an attempt.
        max_attempts: the last of them, after a crash, is made alone.
        longest_wait_seconds: nothing waits longer, whatever became of the clock meanwhile.
    """
    try:
        call = decode_called(raw, key)
    except MalformedEvent as problem:
        return Queued(raw, origin, None, problem)
    except Exception as error:
        # A bug: the message is dead-lettered, or it would end every consumer that ever reads it.
        logger.exception("call not read", extra={"origin": str(origin)})
        bug = Internal(f"a bug in async-call-consumer: {type(error).__name__}")
        return Queued(raw, origin, None, bug)
    call = replace(call, attempt=min(call.attempt + died.begun, MAX_COUNT))
    wait_seconds = min(call.not_before - time.time(), longest_wait_seconds)
    alone = died.begun > 0 and call.attempt >= max_attempts
    due = time.monotonic() + wait_seconds
    return Queued(raw, origin, call, None, due, died.alone, alone, again)


def names_of(call: FunctionCalled) -> dict[str, object]:
    """What a log line says of a call: what it takes to find it."""
    return {
        "call_id": call.call_id,
        "event_id": call.event_id,
        "function": call.function,
        "attempt": call.attempt,
        "trace_id": telemetry.trace_id(call.traceparent) if call.traceparent else "",
    }


class Queue:
    """Calls that wait for their turn: first come, first served, and room left for other functions.

    Args:
        most_of_one: calls of one function at a time, so that a slow one does not hold up others.
    """

    def __init__(self, most_of_one: int) -> None:
        self._most_of_one = most_of_one
        self._waiting: deque[Queued] = deque()
        self._busy: Counter[str] = Counter()
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, queued: Queued) -> None:
        """Queue a call."""
        self._waiting.append(queued)
        self.held_bytes += len(queued.raw)

    def take(self, now: float, *, alone: bool) -> Queued | None:
        """Take the next one that may be made; None when there is none."""
        ready = (each for each in self._waiting if self._is_ready(each, now))
        chosen = (
            min(ready, key=lambda it: not it.alone, default=None) if alone else next(ready, None)
        )
        if chosen is not None:
            self._waiting.remove(chosen)
            self.held_bytes -= len(chosen.raw)
            self._busy[chosen.function] += 1
        return chosen

    def has_one_alone(self, now: float) -> bool:
        """Tell whether one that is to be made alone could be."""
        return any(each.alone and self._is_ready(each, now) for each in self._waiting)

    def release(self, queued: Queued) -> None:
        """Say that a call is no longer being made."""
        self._busy[queued.function] -= 1

    def drop(self, places: Collection[Partition]) -> None:
        """Forget what was read from partitions that now belong to another consumer."""
        kept = [each for each in self._waiting if each.place not in places]
        self._waiting = deque(kept)
        self.held_bytes = sum(len(each.raw) for each in kept)

    def _is_ready(self, queued: Queued, now: float) -> bool:
        return queued.due <= now and self._busy[queued.function] < self._most_of_one
