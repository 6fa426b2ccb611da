"""The way of an upload, and who makes the load: closed loops and open ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import simpy

from bench.simulation.processors import Part, Room, Work
from bench.simulation.stack import Image, Stack

# As stack.yml says of image-upload: requests in flight of a replica; more are answered 503.
IN_FLIGHT = 32
# A third of the loader's work is the kernel's, which copies what is sent.
LOADER_BESIDE = 0.35
_MANY = 1_000_000
# As functions/image-upload/waiting.py: the first pause, by how much it grows, the longest.
PAUSES = (0.005, 1.5, 0.1)


class Uploads:
    """Takes uploads through gateway, provider and image-upload into MinIO and Kafka.

    Args:
        accepted: told of each image whose event is in Kafka.
    """

    def __init__(self, stack: Stack, accepted: Callable[[Image], None]) -> None:
        self._stack = stack
        self._accepted = accepted
        self.refused = 0
        self.parts = [
            stack.part(
                f"image-upload-{number}",
                weight=stack.layout.upload_weight,
                beside=stack.waits.beside,
            )
            for number in range(stack.layout.uploads)
        ]
        self._in_flight = [0] * len(self.parts)

    def send(self, loader: Part, *, waits: bool = False) -> Work:
        """Send one image, until it is answered.

        Args:
            waits: for its result, as with `Prefer: wait`.
        """
        image = self._stack.new_image()
        way = self._way(loader, image)
        yield from self._hand_on(way)
        number = min(range(len(self.parts)), key=lambda each: self._in_flight[each])
        is_taken = self._in_flight[number] < IN_FLIGHT
        if is_taken:
            self._in_flight[number] += 1
            yield from self._take(image, self.parts[number])
            if waits:
                yield from self._wait(image)
            self._in_flight[number] -= 1
        yield self._stack.hop()
        yield from self._hand_on(way[::-1], is_last=True)
        if is_taken:
            image.accepted = self._stack.env.now
        else:
            self.refused += 1

    def _way(self, loader: Part, image: Image) -> list[tuple[Part, float]]:
        """Who hands an upload on before image-upload has it, and their CPU of one direction."""
        stack, number = self._stack, image.number
        return [
            (loader, stack.waits.loader / 2),
            (stack.gateways[number % len(stack.gateways)], stack.costs.nginx / 2),
            (stack.providers[number % len(stack.providers)], stack.costs.provider_upload / 2),
        ]

    def _hand_on(self, way: list[tuple[Part, float]], *, is_last: bool = False) -> Work:
        for part, seconds in way:
            yield from part.compute(seconds)
            if not (is_last and part is way[-1][0]):
                yield self._stack.hop()

    def _take(self, image: Image, part: Part) -> Work:
        stack, costs = self._stack, self._stack.costs
        yield from part.compute(costs.image_upload / 2)
        yield from stack.store(costs.minio_put, image.number)
        yield from part.compute(costs.image_upload / 4)
        yield stack.hop()
        broker = stack.brokers[image.number % len(stack.brokers)]
        yield from broker.compute(costs.kafka_upload)
        image.in_kafka = stack.env.now
        stack.env.process(self._tell(image))
        yield stack.hop()
        yield from part.compute(costs.image_upload / 4)

    def _tell(self, image: Image) -> Work:
        yield self._stack.env.timeout(self._stack.waits.event)
        self._accepted(image)

    def _wait(self, image: Image) -> Work:
        """Look for the result in Redis, again and again."""
        pause, growth, longest = PAUSES
        while image.cached is None:
            yield self._stack.env.timeout(pause)
            pause = min(pause * growth, longest)
        yield self._stack.hop()
        yield self._stack.hop()


def closed_loop(stack: Stack, uploads: Uploads, images: int, clients: int, processes: int) -> Work:
    """Let clients send one image after the other until so many are sent."""
    loaders = [_loader(stack, number) for number in range(processes)]
    left = iter(range(images))
    each = [
        stack.env.process(_client(uploads, loaders[number % processes], left))
        for number in range(clients)
    ]
    yield simpy.AllOf(stack.env, each)


def open_loop(
    stack: Stack, uploads: Uploads, instants: Iterator[float], threads: int, *, waits: bool = False
) -> Work:
    """Send at given seconds from now, whatever comes back, by so many threads at most."""
    loader, started = _loader(stack), stack.env.now
    room = Room(stack.env, threads)
    sending: list[simpy.Event] = []
    for instant in instants:
        yield stack.env.timeout(max(0.0, started + instant - stack.env.now))
        sending.append(stack.env.process(_send(uploads, loader, room, waits=waits)))
    yield simpy.AllOf(stack.env, sending)


def evenly(per_second: float, seconds: float) -> Iterator[float]:
    """Give instants at a steady rate."""
    return (number / per_second for number in range(round(per_second * seconds)))


def at_random(per_second: float, seconds: float, seed: int) -> Iterator[float]:
    """Give instants as many strangers would send, the same ones for a seed."""
    chance, at = random.Random(seed), 0.0
    while (at := at + chance.expovariate(per_second)) < seconds:
        yield at


def _loader(stack: Stack, number: int = 0) -> Part:
    if not stack.layout.cores:  # somewhere else, and never short of anything
        return stack.part(f"loader-{number}", _MANY)
    return stack.part(f"loader-{number}", beside=LOADER_BESIDE)


def _client(uploads: Uploads, loader: Part, left: Iterator[int]) -> Work:
    for _ in left:
        yield from uploads.send(loader)


def _send(uploads: Uploads, loader: Part, room: Room, *, waits: bool) -> Work:
    yield from room.enter()
    yield from uploads.send(loader, waits=waits)
    room.leave()
