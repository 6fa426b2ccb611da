"""The replicas of one version of a function: how many there are, and which takes a request."""

from __future__ import annotations

import asyncio
import itertools
import time

from local.provider.deployments.version import Version
from local.provider.limits import timeouts
from local.provider.replicas.host import Host
from local.provider.replicas.keeper import GIVE_UP_DEATHS, Slot
from local.provider.replicas.replica import Replica, is_set_within
from pipeline.limits import MARGIN_SECONDS


class NotReady(Exception):
    """The replicas have not become ready; the message says why."""


class Numbers:
    """Gives the replicas of one function their numbers, the lowest first."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    @property
    def are_free(self) -> bool:
        return not self._taken

    def take(self) -> int:
        number = next(n for n in itertools.count(1) if n not in self._taken)
        self._taken.add(number)
        return number

    def give_back(self, number: int) -> None:
        self._taken.remove(number)


class Pulse:
    """Wakes everybody who waits for the next change."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def fire(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait for a change, but no longer than this; what it was, the caller must look."""
        await is_set_within(self._event, seconds)


class ReplicaSet:
    """Keeps as many replicas of one version running as it was last scaled to.

    Attributes:
        timeout_seconds: how long one call may take.
    """

    def __init__(self, version: Version, numbers: Numbers, host: Host, changes: Pulse) -> None:
        self.version = version
        self.is_abandoned = False
        limits = host.settings.limits
        usual, most = limits.request_timeout_seconds, limits.function_ceiling_seconds
        self.timeout_seconds = timeouts.of_calls(version.env, usual, most)
        self._numbers = numbers
        self._host = host
        self._changes = changes
        self._slots: list[Slot] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._going: list[Slot] = []  # each until its last request is answered

    @property
    def wanted(self) -> int:
        return len(self._slots)

    @property
    def available(self) -> int:
        return sum(slot.is_ready for slot in self._slots)

    @property
    def in_flight(self) -> int:
        """How many requests replicas are working on, those that are about to leave too."""
        slots = (*self._slots, *self._going)
        return sum(slot.replica.in_flight for slot in slots if slot.replica)

    @property
    def sessions(self) -> list[int]:
        """The sessions of the replicas that run, those that are about to leave too."""
        slots = (*self._slots, *self._going)
        return [slot.replica.process.pid for slot in slots if slot.replica]

    @property
    def failure(self) -> str:
        """Why a replica is not ready, as far as that is known."""
        return next((slot.failure for slot in self._slots if slot.failure), "")

    @property
    def restarts(self) -> str:
        """Which replicas were restarted, how often, and why the last time."""
        return "; ".join(slot.restarts_note for slot in self._slots if slot.restarts)

    @property
    def has_failed(self) -> bool:
        return any(slot.early_deaths >= GIVE_UP_DEATHS for slot in self._slots)

    def pick(self, avoid: Replica | None = None) -> Replica | None:
        """Return the ready replica with the fewest requests in flight, another than `avoid`.

        None when there is none that may take a request.
        """
        most = self.version.spec.max_in_flight
        ready = [slot.replica for slot in self._slots if slot.is_ready and slot.replica]
        free = [one for one in ready if most is None or one.in_flight < most]
        others = [replica for replica in free if replica is not avoid] or free
        return min(others, key=lambda one: (one.in_flight, one.borrowed_at), default=None)

    def scale(self, wanted: int) -> None:
        """Start replicas, or let the last of them leave once their requests are answered."""
        while len(self._slots) < wanted:
            number = self._numbers.take()
            self._slots.append(Slot(self.version, number, self._host, self._changes.fire))
        while len(self._slots) > wanted:
            self._going.append(self._slots.pop())
            task = asyncio.create_task(self._leave(self._going[-1]))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _leave(self, slot: Slot) -> None:
        await slot.leave(drain_seconds=self.timeout_seconds + MARGIN_SECONDS)
        self._going.remove(slot)
        self._numbers.give_back(slot.number)

    async def retire(self) -> None:
        """End all replicas, each after its last request."""
        self.scale(0)
        await asyncio.gather(*self._leaving)

    def abandon(self) -> None:
        self.is_abandoned = True
        self._changes.fire()

    async def wait_until_ready(self, seconds: float) -> None:
        """Wait until all replicas are ready; raise NotReady saying why they are not."""
        deadline = time.monotonic() + seconds
        while self.available < self.wanted:
            left_seconds = deadline - time.monotonic()
            if self.is_abandoned:
                raise NotReady("a newer version was deployed, or the function removed")
            if self.has_failed:
                raise NotReady(self.failure)
            if left_seconds <= 0:
                raise NotReady(self.failure or f"not ready within {seconds:g} s")
            await self._changes.wait(left_seconds)
