"""A stack in the model: everything put together, and what is done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import simpy

from bench.reporting.figures import middle_rate, percentile
from bench.simulation.classifier import Replica, Replicas
from bench.simulation.consuming import Consumer
from bench.simulation.processors import Work
from bench.simulation.scaling import autoscale
from bench.simulation.stack import Costs, Image, Layout, Stack, Waits
from bench.simulation.uploading import Uploads, closed_loop, open_loop
from pipeline.kafka.backlog import Reading
from pipeline.settings import Settings


class Machine:
    """One stack, from nothing.

    Args:
        most_replicas: up to which the autoscaler goes; 0: it is not there.
        kind: what stands in the classifier's place.
    """

    def __init__(
        self,
        costs: Costs,
        waits: Waits,
        layout: Layout,
        *,
        most_replicas: int = 0,
        kind: type[Replica] = Replica,
        settings: Settings | None = None,
    ) -> None:
        self.env = simpy.Environment()
        self.stack = Stack(self.env, costs, waits, layout)
        self.replicas = Replicas(self.stack, kind)
        self.consumers = [
            Consumer(self.stack, self.replicas, self._note_finished, number, settings=settings)
            for number in range(layout.consumers)
        ]
        self.uploads = Uploads(self.stack, self._deliver)
        self.finished: list[Image] = []
        self._accepted = 0
        if most_replicas:
            self.env.process(autoscale(self.stack, self.replicas, self._reading, most_replicas))

    def drain(self, images: int) -> float:
        """Let a backlog wait, then work it off; give the rate of the middle 80 % of it."""
        before = len(self.finished)
        share = [self.stack.new_image() for _ in range(images)]
        self._accepted += images
        for number, consumer in enumerate(self.consumers):
            consumer.deliver(share[number :: len(self.consumers)])
        self.run_until(lambda: len(self.finished) == before + images)
        return middle_rate([float(image.finished or 0.0) for image in self.finished[before:]])

    def rest(self, seconds: float) -> None:
        """Let time pass."""
        self.env.run(self.env.now + seconds)

    def upload(self, images: int, clients: int, processes: int = 1) -> float:
        """Upload while the consumer stands still; give uploads a second."""
        for consumer in self.consumers:
            consumer.is_frozen = True
        self.env.run(self.env.process(self._closed(images, clients, processes)))
        return images / float(self.env.now)

    def upload_and_classify(self, images: int, clients: int) -> float:
        """Upload as fast as it is answered while results come; give results a second."""
        began, before = float(self.env.now), len(self.finished)
        self.env.process(self._closed(images, clients, 1))
        self.run_until(lambda: len(self.finished) == before + images)
        return images / (float(self.env.now) - began)

    def offer(self, instants: Iterator[float], threads: int, *, waits: bool = False) -> None:
        """Upload at these seconds, and wait until all that was accepted is finished."""
        self.env.run(self.begin(instants, threads, waits=waits))
        self.run_until(lambda: len(self.finished) == self._accepted)

    def begin(
        self, instants: Iterator[float], threads: int, *, waits: bool = False
    ) -> simpy.Process:
        """Begin to upload at these seconds."""
        return self.env.process(open_loop(self.stack, self.uploads, instants, threads, waits=waits))

    @property
    def waiting(self) -> int:
        """Images that are accepted and not finished."""
        return self._accepted - len(self.finished)

    def run_until(self, is_over: Callable[[], bool]) -> None:
        """Go on until something is so."""
        while not is_over():
            self.env.step()

    def results_between(self, begin: float, end: float) -> float:
        """Count results a second."""
        came = sum(begin <= float(image.finished or 0.0) < end for image in self.finished)
        return came / (end - begin)

    def milliseconds(self, what: Callable[[Image], float | None], share: float) -> float:
        """Give a percentile of what lies between an image's sending and an instant of it."""
        took = [at - image.sent for image in self.stack.images if (at := what(image)) is not None]
        return 1000 * float(percentile(took, share))

    def _closed(self, images: int, clients: int, processes: int) -> Work:
        yield from closed_loop(self.stack, self.uploads, images, clients, processes)

    def _deliver(self, image: Image) -> None:
        self._accepted += 1
        self.consumers[image.number % len(self.consumers)].deliver([image])

    def _note_finished(self, image: Image) -> None:
        self.finished.append(image)

    def _reading(self) -> Reading:
        return Reading(self.waiting, len(self.finished))
