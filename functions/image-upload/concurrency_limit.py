"""How many uploads of one tenant are worked on at once: few, while it would make others wait."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

# So long a tenant is there after its last upload came.
_THERE_SECONDS = 5.0
# Where nothing has ended for so long, those at work wait for others and need no processor.
_STALLED_SECONDS = 0.5
# Processors are short where an upload waits for one so long for each second that it has one: in
# a flood on two cores it is 10 to 30.
_SHORT_RATIO = 2.0
# At work of one tenant: more than a replica takes.
_MOST = 64.0


class Used(NamedTuple):
    """Seconds that a thread had a processor, and that it was ready to run and had none."""

    running: float
    waiting: float


def used_by_this_thread() -> Used:
    """Ask the kernel; nothing is known where it does not count (CONFIG_SCHED_INFO)."""
    try:
        with open("/proc/thread-self/schedstat", "rb", buffering=0) as file:
            running, waiting, _ = map(int, file.read(100).split())
    except (OSError, ValueError):
        return Used(0.0, 0.0)
    return Used(running / 1e9, waiting / 1e9)


class ConcurrencyLimit:
    """Makes a tenant's own uploads wait for each other, rather than all for a processor.

    A tenant that is alone has no limit. While others are there it begins at one, is raised by one
    with each upload that found a processor, and halved with each that had to wait for it. Where
    work stands still, as MinIO or Kafka does not answer, nobody waits: each is to be told in time.

    Args:
        used: what this thread has had of the processors.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        used: Callable[[], Used] = used_by_this_thread,
        clock: Callable[[], float] = time.monotonic,
        stalled_seconds: float = _STALLED_SECONDS,
    ) -> None:
        self._used = used
        self._clock = clock
        self._stalled_seconds = stalled_seconds
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, float] = OrderedDict()  # who came last is last
        self._working: Counter[str] = Counter()
        self._waiting: dict[str, deque[threading.Event]] = {}
        self._ended_at = clock()
        self._most = 1.0

    @contextmanager
    def one(self, tenant: str, *, is_awaited: bool = False) -> Iterator[None]:
        """Wait until one more of the tenant may be worked on; it is, inside the block.

        Args:
            is_awaited: a client waits for the result: it goes before others of the tenant.
        """
        turn = self._come(tenant, is_awaited=is_awaited)
        while turn and not turn.wait(self._stalled_seconds):
            self._begin_if_stalled(tenant, turn)
        before = self._used() if self._others_are_there else None
        try:
            yield
        finally:
            if before:
                self._note_wait(before, self._used())
            self._end(tenant)

    def _come(self, tenant: str, *, is_awaited: bool) -> threading.Event | None:
        """Begin at once, or wait for what is returned."""
        with self._lock:
            self._note_who_is_there(tenant)
            if tenant not in self._waiting and self._may_begin(tenant):
                self._working[tenant] += 1
                return None
            turn, waiting = threading.Event(), self._waiting.setdefault(tenant, deque())
            if is_awaited:
                waiting.appendleft(turn)
            else:
                waiting.append(turn)
            return turn

    def _note_who_is_there(self, tenant: str) -> None:
        now, was_alone = self._clock(), not self._others_are_there
        self._seen[tenant] = now
        self._seen.move_to_end(tenant)
        while now - next(iter(self._seen.values())) > _THERE_SECONDS:
            self._seen.popitem(last=False)
        if was_alone:
            self._most = 1.0

    @property
    def _others_are_there(self) -> bool:
        return len(self._seen) > 1

    def _may_begin(self, tenant: str) -> bool:
        return not self._others_are_there or self._working[tenant] < self._most

    def _note_wait(self, before: Used, after: Used) -> None:
        is_short = after.waiting - before.waiting > _SHORT_RATIO * (after.running - before.running)
        with self._lock:
            self._most = max(1.0, self._most / 2) if is_short else min(_MOST, self._most + 1)

    def _end(self, tenant: str) -> None:
        with self._lock:
            self._working[tenant] -= 1
            self._ended_at = self._clock()
            while tenant in self._waiting and self._may_begin(tenant):
                self._begin(tenant, self._waiting[tenant][0])
            if not self._working[tenant]:
                del self._working[tenant]

    def _begin_if_stalled(self, tenant: str, turn: threading.Event) -> None:
        with self._lock:
            is_stalled = self._clock() - self._ended_at >= self._stalled_seconds
            if is_stalled and not turn.is_set():
                self._begin(tenant, turn)

    def _begin(self, tenant: str, turn: threading.Event) -> None:
        waiting = self._waiting[tenant]
        waiting.remove(turn)
        if not waiting:
            del self._waiting[tenant]
        self._working[tenant] += 1
        turn.set()
