"""image-process-consumer: its own choice of batches and calls, on the clock of the model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from bench.simulation.classifier import Replicas
from bench.simulation.processors import Work
from bench.simulation.stack import Image, Stack
from call_limit import CallLimit
from deliveries import Delivery
from pending import Pending
from pipeline.consuming.endings import Endings
from pipeline.events.cloudevents import Origin
from pipeline.kafka import topics
from pipeline.settings import Settings
from process import Processor
from workers import Workers

# As in consumers/image-process-consumer: batches read beyond the commit of each partition, and how
# long what was refused rests.
BATCHES_AHEAD = 16
_REST_SECONDS = 0.51
# A tenant's share of the lane that goes first: functions/image-upload/lanes.py.
SHARE = 8


class Consumer(Executor):
    """One consumer: decides by `Workers`, `Pending` and `CallLimit`, calls replicas of the model.

    Args:
        finished: told of each image whose result event is written.
    """

    def __init__(
        self,
        stack: Stack,
        replicas: Replicas,
        finished: Callable[[Image], None],
        number: int = 0,
        *,
        settings: Settings | None = None,
    ) -> None:
        settings = settings or Settings()
        self.part = stack.part(f"image-process-consumer-{number}")
        self.limit = CallLimit(settings.batches_in_flight)
        self.is_frozen = False
        self._stack, self._replicas, self._finished = stack, replicas, finished
        self._number = number
        self._window = settings.kafka_partitions * BATCHES_AHEAD * settings.batch_size
        self._unread: deque[Image] = deque()
        self._images: dict[int, Image] = {}
        self._pending = Pending()
        self._workers = Workers(
            _Nothing(),
            self._pending,
            self.limit,
            Endings(),
            settings.batch_size,
            self,
            clock=lambda: float(stack.env.now),
        )

    def deliver(self, images: Iterable[Image]) -> None:
        """Let events wait in its partitions."""
        self._unread.extend(images)
        self.go()

    def go(self) -> None:
        """Read, collect and start, as in a round of its loop."""
        if self.is_frozen:
            return
        for delivery in self._workers.finished():
            del self._images[delivery.origin.offset]
        while self._unread and len(self._images) < self._window:
            image = self._unread.popleft()
            self._images[image.number] = image
            self._pending.add(_delivery(image, is_urgent=len(self._images) <= SHARE))
        self._workers.start(lambda batch, alone: None, alone=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Make the call for a batch, in the model's time."""
        future: Future[Any] = Future()
        self._stack.env.process(self._call(args[0], future))
        return future

    def _call(self, batch: Sequence[Delivery], future: Future[Any]) -> Work:
        stack, costs, count = self._stack, self._stack.costs, len(batch)
        images = [self._images[each.origin.offset] for each in batch]
        provider = stack.providers[self._number % len(stack.providers)]
        handed_on = [
            (self.part, count * costs.consumer / 2),
            (provider, (costs.call_provider + count * costs.provider) / 2),
        ]
        for part, seconds in handed_on:
            yield from part.compute(seconds)
            yield stack.hop()
        if (replica := self._replicas.least_busy()) is None:
            yield from self._refuse(batch, future)
            return
        replica.in_flight += 1
        yield from replica.classify(images)
        replica.in_flight -= 1
        for part, seconds in reversed(handed_on):
            yield stack.hop()
            yield from part.compute(seconds)
        yield from self._tell(images, future)

    def _refuse(self, batch: Sequence[Delivery], future: Future[Any]) -> Work:
        """Let a batch that no replica takes rest, and then be taken up again."""
        yield self._stack.hop()
        self.limit.refused()
        future.set_result(list(batch))
        self.go()
        yield self._stack.env.timeout(_REST_SECONDS)
        self.go()

    def _tell(self, images: Sequence[Image], future: Future[Any]) -> Work:
        """Write the result events; whoever reads them has them a little later."""
        stack = self._stack
        broker = stack.brokers[images[0].number % len(stack.brokers)]
        yield stack.hop()
        yield from broker.compute(len(images) * stack.costs.kafka)
        future.set_result([])
        self.go()
        yield stack.env.timeout(stack.waits.event)
        for image in images:
            image.finished = stack.env.now
            self._finished(image)


class _Nothing(Processor):
    """Stands where the work would be done that the model does."""

    def __init__(self) -> None:
        pass


def _delivery(image: Image, *, is_urgent: bool) -> Delivery:
    topic = topics.UPLOADS if is_urgent else topics.BULK[0]
    return Delivery(b"", Origin(topic.name, 0, image.number), None)
