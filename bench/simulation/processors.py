"""Processors that share themselves among whoever has something to do, and the parts on them."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import simpy

# What a process does: it yields what it waits for.
Work = Generator[simpy.Event, Any, Any]

# After so long an interpreter lets another of its threads go on.
_SWITCH_SECONDS = 0.005
_NEGLIGIBLE_SECONDS = 1e-9


@dataclass
class _Class:
    """All jobs of one weight: each has had `virtual` seconds since whenever."""

    virtual: float = 0.0
    rate: float = 0.0
    jobs: list[tuple[float, int, simpy.Event]] = field(default_factory=list)


class Processors:
    """A number of cores; a job has one at most, and jobs share them by their weights if short.

    Args:
        crowding: by how much a core is slower when all others are busy: they share caches.
    """

    def __init__(self, env: simpy.Environment, cores: int, crowding: float = 0.0) -> None:
        self.cores = cores
        self._crowding = crowding / max(1, cores - 1)
        self._env = env
        self._classes: dict[float, _Class] = {}
        self._numbers = count()
        self._at = env.now
        self._wakes_at = float("inf")
        self._wake_number = 0

    def use(self, seconds: float, weight: float = 1.0) -> simpy.Event:
        """Give an event that comes when so much was computed."""
        self._advance()
        of_weight = self._classes.setdefault(weight, _Class())
        done = self._env.event()
        heapq.heappush(of_weight.jobs, (of_weight.virtual + seconds, next(self._numbers), done))
        self._share()
        return done

    def _advance(self) -> None:
        passed = self._env.now - self._at
        self._at = self._env.now
        for each in self._classes.values():
            each.virtual += passed * each.rate

    def _share(self) -> None:
        """Share the cores anew, and wake when the first job will have ended."""
        left, short = float(self.cores), {w: it for w, it in self._classes.items() if it.jobs}
        busy = min(self.cores, sum(len(it.jobs) for it in short.values()))
        speed = 1.0 - self._crowding * max(0, busy - 1)
        while short:
            weights = sum(weight * len(it.jobs) for weight, it in short.items())
            whole = {w for w in short if left * w >= weights}  # these get a core for each job
            if not whole:
                for weight, it in short.items():
                    it.rate = speed * left * weight / weights
                break
            for weight in whole:
                it = short.pop(weight)
                it.rate = speed
                left -= len(it.jobs)
        first = min(
            ((it.jobs[0][0] - it.virtual) / it.rate for it in self._classes.values() if it.jobs),
            default=float("inf"),
        )
        self._wake_in(max(0.0, first))

    def _wake_in(self, seconds: float) -> None:
        at = self._env.now + seconds
        if at == float("inf") or at == self._wakes_at:
            return
        self._wakes_at = at
        self._wake_number += 1
        wake = self._env.timeout(seconds, self._wake_number)
        wake.callbacks.append(self._wake)

    def _wake(self, event: simpy.Event) -> None:
        if event.value != self._wake_number:
            return  # shared anew since
        self._wakes_at = float("inf")
        self._advance()
        for each in self._classes.values():
            while each.jobs and each.jobs[0][0] <= each.virtual + _NEGLIGIBLE_SECONDS:
                heapq.heappop(each.jobs)[2].succeed()
        self._share()


class Room:
    """So many at a time, the others in the order they came; who finds room does not wait."""

    def __init__(self, env: simpy.Environment, places: int) -> None:
        self._env = env
        self._free = places
        self._waiting: deque[simpy.Event] = deque()

    def enter(self) -> Work:
        """Wait for a place."""
        if self._free:
            self._free -= 1
            return
        turn = self._env.event()
        self._waiting.append(turn)
        yield turn

    def leave(self) -> None:
        """Give the place to who waits longest."""
        if self._waiting:
            self._waiting.popleft().succeed()
        else:
            self._free += 1


class Part:
    """A process of the stack.

    Args:
        processors: what it shares with others; None: it has cores of its own, `width` of them.
        width: how many of its threads compute at once; None: all, 1: it has one interpreter.
        weight: its share where processors are short.
        beside: the part of its work for which a thread does not need the interpreter.
    """

    def __init__(
        self,
        env: simpy.Environment,
        name: str,
        processors: Processors | None,
        *,
        width: int | None = None,
        weight: float = 1.0,
        beside: float = 0.0,
    ) -> None:
        self.name = name
        self.width = width
        self.busy_seconds = 0.0
        self._env = env
        self._processors = processors
        self._weight = weight
        self._beside = beside
        self._room = Room(env, width) if width else None

    def compute(self, seconds: float) -> Work:
        """Compute for so long, in turns with its other threads."""
        self.busy_seconds += seconds
        if self._room is None:
            yield self._use(seconds)
            return
        if self._beside:
            yield self._use(self._beside * seconds)
            seconds *= 1 - self._beside
        while seconds > _NEGLIGIBLE_SECONDS:
            turn = min(seconds, _SWITCH_SECONDS)
            yield from self._room.enter()
            yield self._use(turn)
            self._room.leave()
            seconds -= turn

    def _use(self, seconds: float) -> simpy.Event:
        if self._processors is None:
            return self._env.timeout(seconds)
        return self._processors.use(seconds, self._weight)
