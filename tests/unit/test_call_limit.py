"""How many calls at once the consumer finds out to be enough, for replicas that are reckoned."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

import pytest

from call_limit import USUAL, CallLimit

MOST = 64
_IMAGES = 8
_BUSY_SECONDS = 60.0


@dataclass
class Replica:
    """Works on one call after the other; begun are those that it has taken."""

    free_at: float = 0.0
    begun: int = 0


@dataclass
class Pool:
    """Replicas behind a gateway that gives each call to the one with the fewest.

    Attributes:
        between_seconds: of a call, in which no replica is at work.
        room: calls that a replica takes at once.
    """

    replicas: int
    image_seconds: float = 0.02
    between_seconds: float = 0.02
    room: int = 8
    seed: int = 1
    now: float = 0.0
    done: int = 0
    refused: int = 0
    most: int = 0
    _all: list[Replica] = field(default_factory=list)
    _ends: list[tuple[float, int, int, float, Replica | None]] = field(default_factory=list)
    _made: int = 0

    def scale(self, replicas: int) -> None:
        self.replicas = replicas
        del self._all[replicas:]

    def work(self, limit: CallLimit, seconds: float = _BUSY_SECONDS, waiting: int = 1000) -> float:
        """Have calls made for so long; return the images a second.

        Args:
            waiting: how many calls could be made at once.
        """
        chance, started, done = random.Random(self.seed), self.now, self.done
        while self.now < started + seconds:
            begun: list[tuple[float, int, float, Replica | None]] = []
            limit.look(len(self._ends), self.now)
            while len(self._ends) + len(begun) < min(limit.calls, waiting):
                begun.append(self._call(chance))
            running = len(self._ends) + len(begun)
            self.most = max(self.most, running)
            generation = limit.generation(running, self.now)
            for end, number, began, replica in begun:
                heapq.heappush(self._ends, (end, number, generation, began, replica))
            self._end(limit)
        return (self.done - done) / (self.now - started)

    def _call(self, chance: random.Random) -> tuple[float, int, float, Replica | None]:
        self._made += 1
        while len(self._all) < self.replicas:
            self._all.append(Replica(self.now))
        replica = min(self._all, key=lambda each: each.begun)
        if replica.begun >= self.room:
            return self.now + 0.002, self._made, self.now, None
        replica.begun += 1
        took = _IMAGES * self.image_seconds * chance.uniform(0.8, 1.25)
        replica.free_at = max(replica.free_at, self.now) + took
        return replica.free_at + self.between_seconds, self._made, self.now, replica

    def _end(self, limit: CallLimit) -> None:
        self.now, _, generation, began, replica = heapq.heappop(self._ends)
        if replica is None:
            limit.refused()
            self.refused += 1
        else:
            replica.begun -= 1
            self.done += _IMAGES
            limit.answered(generation, _IMAGES, self.now - began, self.now)

    @property
    def possible(self) -> float:
        """Images a second if every replica had always work."""
        return self.replicas / self.image_seconds


@pytest.mark.parametrize("replicas", [1, 2, 4, 8, 12, 16, 24, 32])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_replicas_are_kept_busy(replicas: int, seed: int) -> None:
    limit, pool = CallLimit(MOST), Pool(replicas, seed=seed)
    pool.work(limit, 10.0)

    assert pool.work(limit) >= 0.92 * pool.possible


@pytest.mark.parametrize("replicas", [1, 2])
def test_few_replicas_are_asked_no_more_than_usual(replicas: int) -> None:
    limit, pool = CallLimit(MOST), Pool(replicas)

    pool.work(limit)

    assert limit.calls <= 2 * USUAL
    assert pool.refused <= 0.02 * pool.done / _IMAGES


@pytest.mark.parametrize("image_seconds", [0.002, 0.05, 0.5])
def test_a_slow_and_a_quick_model_are_kept_busy_alike(image_seconds: float) -> None:
    limit = CallLimit(MOST)
    pool = Pool(12, image_seconds, between_seconds=image_seconds)
    pool.work(limit, 2000 * image_seconds)

    assert pool.work(limit, 3000 * image_seconds) >= 0.95 * pool.possible


def test_more_replicas_get_more_calls_at_once() -> None:
    limit, pool = CallLimit(MOST), Pool(1)
    pool.work(limit)

    pool.scale(12)
    pool.work(limit, 10.0)

    assert pool.work(limit) >= 0.95 * pool.possible


def test_fewer_replicas_are_not_asked_more_than_they_take() -> None:
    limit, pool = CallLimit(MOST), Pool(12)
    pool.work(limit)

    pool.scale(1)
    pool.work(limit, 20.0)
    done, refused = pool.done, pool.refused
    pool.work(limit)

    assert limit.calls <= USUAL
    assert pool.refused - refused <= 0.02 * (pool.done - done) / _IMAGES


def test_room_for_few_calls_is_found_out_by_what_is_refused() -> None:
    limit, pool = CallLimit(MOST), Pool(1, room=2)

    pool.work(limit)

    assert limit.calls <= 3
    assert pool.refused <= 0.1 * pool.done / _IMAGES


def test_room_that_is_free_again_is_made_use_of() -> None:
    limit, pool = CallLimit(MOST), Pool(2, room=1)
    pool.work(limit)

    pool.room = 8
    pool.work(limit)

    assert limit.calls >= 4
    assert pool.work(limit) >= 0.95 * pool.possible


@pytest.mark.parametrize("most", [1, 4, 20])
def test_no_more_are_made_than_are_allowed(most: int) -> None:
    limit, pool = CallLimit(most), Pool(32)

    pool.work(limit)

    assert pool.most <= most


def test_little_work_tells_nothing() -> None:
    limit, pool = CallLimit(MOST), Pool(12)

    pool.work(limit, waiting=3)

    assert limit.calls == USUAL


def test_a_search_that_runs_out_of_work_is_given_up() -> None:
    limit, pool = CallLimit(MOST), Pool(32)
    pool.work(limit, 0.5)

    pool.work(limit, waiting=2)

    assert not limit.is_searching
    assert limit.calls < MOST
