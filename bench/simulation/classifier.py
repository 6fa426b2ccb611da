"""Replicas of image-classifier: what one does with a call, and which of them gets it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import simpy

from bench.simulation.processors import Room, Work
from bench.simulation.stack import CHUNK_IMAGES, Image, Stack

# As in functions/image-classifier: chunks fetched ahead, batches at work, calls beside the two that
# are for urgent images.
CHUNKS_AHEAD = 2
BATCHES = 2
CALLS = 8


class Replica:
    """Fetches, decodes, infers and stores as functions/image-classifier/classifier.py does."""

    def __init__(self, stack: Stack, number: int) -> None:
        self.in_flight = 0
        self.part = stack.part(f"image-classifier-{number}")
        self._stack = stack
        self._turns = Room(stack.env, BATCHES)
        self._model = Room(stack.env, 1)

    def classify(self, images: Sequence[Image]) -> Work:
        """Work off a call; it is answered when all of it is stored."""
        env, costs = self._stack.env, self._stack.costs
        storing: list[simpy.Event] = []
        yield from self._turns.enter()
        yield from self._ask_redis(len(images))
        waiting = _chunks(images)
        fetched = [env.process(self._fetch(chunk)) for chunk in islice(waiting, CHUNKS_AHEAD)]
        yield from self._model.enter()
        while fetched:
            chunk = yield fetched.pop(0)
            fetched += [env.process(self._fetch(each)) for each in islice(waiting, 1)]
            yield from self.part.compute(len(chunk) * costs.decode)
            pictures = env.process(self._store_pictures(chunk))
            yield from self.part.compute(len(chunk) * costs.infer)
            storing.append(env.process(self._store_results(chunk, pictures)))
        self._model.leave()
        self._turns.leave()
        yield from storing
        yield from self.part.compute(costs.call_classifier + len(images) * costs.rest)

    def _ask_redis(self, count: int) -> Work:
        costs, stack = self._stack.costs, self._stack
        yield from self.part.compute(count * costs.cache / 2)
        yield stack.hop()
        yield from stack.redis.compute(count * costs.redis / 2)
        yield stack.hop()

    def _fetch(self, chunk: Sequence[Image]) -> Work:
        costs, count = self._stack.costs, len(chunk)
        yield from self._stack.store(count * costs.minio_get, chunk[0].number, is_put=False)
        yield from self.part.compute(count * costs.fetch)
        return chunk

    def _store_pictures(self, chunk: Sequence[Image]) -> Work:
        costs, count = self._stack.costs, len(chunk)
        yield from self.part.compute(count * (costs.encode + costs.store / 2))
        yield from self._stack.store(count * costs.minio_picture, chunk[0].number)

    def _store_results(self, chunk: Sequence[Image], pictures: simpy.Event) -> Work:
        costs, stack, count = self._stack.costs, self._stack, len(chunk)
        yield pictures
        yield from self.part.compute(count * costs.store / 2)
        yield from stack.store(count * costs.minio_result, chunk[0].number)
        yield from self.part.compute(count * costs.cache / 2)
        yield stack.hop()
        yield from stack.redis.compute(count * costs.redis / 2)
        for image in chunk:
            image.cached = stack.env.now
        yield stack.hop()


class Stub(Replica):
    """Sleeps instead, one image after the other."""

    image_seconds = 0.05

    def classify(self, images: Sequence[Image]) -> Work:
        """Sleep through a call."""
        yield from self._model.enter()
        yield self._stack.env.timeout(self.image_seconds * len(images))
        self._model.leave()


class Replicas:
    """Those there are, those that will be, and which gets the next call."""

    def __init__(self, stack: Stack, kind: type[Replica] = Replica) -> None:
        self._stack = stack
        self._kind = kind
        self._made = 0
        self.wanted = 0
        self.ready: list[Replica] = []
        self.looks: list[tuple[float, int]] = []
        self.scale(stack.layout.replicas, seconds=0.0)

    def scale(self, wanted: int, seconds: float | None = None) -> None:
        """Have as many; a new one is ready after a while, one too many takes no more calls."""
        start = self._stack.waits.start if seconds is None else seconds
        more = wanted - self.wanted
        self.wanted = wanted
        for _ in range(more):
            if start:
                self._stack.env.process(self._begin(start))
            else:
                self._add()
        if more < 0:
            self.ready = self.ready[:wanted]

    def least_busy(self) -> Replica | None:
        """Choose who gets a call; None: all have what they take."""
        least = min(self.ready, key=lambda each: each.in_flight)
        return least if least.in_flight < CALLS else None

    def _begin(self, seconds: float) -> Work:
        yield self._stack.env.timeout(seconds)
        if len(self.ready) < self.wanted:
            self._add()

    def _add(self) -> None:
        self.ready.append(self._kind(self._stack, self._made))
        self._made += 1
        self.looks.append((self._stack.env.now, len(self.ready)))


def _chunks(images: Sequence[Image]) -> Iterator[Sequence[Image]]:
    return (images[at : at + CHUNK_IMAGES] for at in range(0, len(images), CHUNK_IMAGES))
