"""Deliveries that wait: what is worked on next, fair to every tenant, no image twice at once."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator

from deliveries import Delivery, ImageKey
from pipeline.kafka.topics import Partition

# Urgent batches begun one after the other while another waits. That one is begun then: nothing
# stands still, however many are urgent.
_URGENT_IN_A_ROW = 3


class Pending:
    """Urgent deliveries first, those of one kind a tenant at a time, those of a tenant in order."""

    def __init__(self) -> None:
        self._urgent, self._others = _Queues(), _Queues()
        self._busy: set[ImageKey] = set()
        self._urgent_in_a_row = 0

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def count(self, *, is_urgent: bool) -> int:
        """How many of a kind wait."""
        return len(self._of(is_urgent=is_urgent))

    def add(self, delivery: Delivery) -> None:
        """Queue a delivery."""
        self._of(is_urgent=delivery.is_urgent).add(delivery)

    def kinds(self) -> tuple[bool, bool]:
        """Tell whether urgent ones are to be taken first, then what if there are none."""
        is_others_turn = self._urgent_in_a_row >= _URGENT_IN_A_ROW
        return not is_others_turn, is_others_turn

    def take(self, most: int, now: float, *, is_urgent: bool = True) -> list[Delivery]:
        """Take the next batch of a kind; equal images in it are taken together."""
        queues = self._of(is_urgent=is_urgent)
        batch = queues.take(most, lambda each: not each.alone and self._is_ready(each, now))
        if batch:
            self._note_turn(is_urgent=is_urgent)
        self._busy.update(delivery.key for delivery in batch)
        return batch

    def has_one_alone(self, now: float) -> bool:
        """Tell whether one that is to be worked on alone could be."""
        if not self._urgent.alone and not self._others.alone:
            return False
        return any(each.alone and self._is_ready(each, now) for each in self._all())

    def take_alone(self, now: float) -> list[Delivery]:
        """Take one image: one that is to be worked on alone, else the next."""
        ready = [each for each in self._all() if self._is_ready(each, now)]
        batch = [each for each in ready if each.alone][:1] or ready[:1]
        for delivery in batch:
            self._of(is_urgent=delivery.is_urgent).remove(delivery)
            self._note_turn(is_urgent=delivery.is_urgent)
        self._busy.update(delivery.key for delivery in batch)
        return batch

    def release(self, batch: list[Delivery]) -> None:
        """Say that a batch is no longer worked on."""
        self._busy.difference_update(delivery.key for delivery in batch)

    def drop(self, partitions: Collection[Partition]) -> None:
        """Forget what was read from partitions that now belong to another consumer."""
        for queues in (self._urgent, self._others):
            queues.drop(partitions)

    def _of(self, *, is_urgent: bool) -> _Queues:
        return self._urgent if is_urgent else self._others

    def _note_turn(self, *, is_urgent: bool) -> None:
        self._urgent_in_a_row = self._urgent_in_a_row + 1 if is_urgent else 0

    def _all(self) -> Iterator[Delivery]:
        for is_urgent in self.kinds():
            yield from self._of(is_urgent=is_urgent)

    def _is_ready(self, delivery: Delivery, now: float) -> bool:
        return delivery.due <= now and delivery.key not in self._busy


class _Queues:
    """A queue for each tenant; messages that are no event have one together.

    Attributes:
        alone: how many of them are to be worked on alone.
    """

    def __init__(self) -> None:
        self.alone = 0
        self._count = 0
        self._queues: OrderedDict[str, deque[Delivery]] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Delivery]:
        for queue in self._queues.values():
            yield from queue

    def add(self, delivery: Delivery) -> None:
        self._queues.setdefault(delivery.tenant, deque()).append(delivery)
        self._count += 1
        self.alone += delivery.alone

    def remove(self, delivery: Delivery) -> None:
        """Take one out, as its tenant's turn: that one comes last in the next batch."""
        queue = self._queues[delivery.tenant]
        queue.remove(delivery)
        self._queues.move_to_end(delivery.tenant)
        if not queue:
            del self._queues[delivery.tenant]
        self._note_gone([delivery])

    def drop(self, partitions: Collection[Partition]) -> None:
        turns = list(self._queues)
        for delivery in [each for each in self if each.place in partitions]:
            self.remove(delivery)
        for tenant in turns:  # nobody had one
            if tenant in self._queues:
                self._queues.move_to_end(tenant)

    def take(self, most: int, is_ready: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take one of each tenant in turn; who had a turn comes last in the next batch."""
        batch: list[Delivery] = []
        passed: dict[str, list[Delivery]] = {}
        turns = deque(self._queues)
        while turns and len(batch) < most:
            tenant = turns.popleft()
            found = _next(self._queues[tenant], passed.setdefault(tenant, []), is_ready)
            if found:
                batch.append(found)
                turns.append(tenant)
        for tenant, waiting in passed.items():
            queue = self._queues[tenant]
            queue.extendleft(reversed(waiting))
            self._queues.move_to_end(tenant)
            if not queue:
                del self._queues[tenant]
        self._note_gone(batch)
        return batch

    def _note_gone(self, deliveries: Collection[Delivery]) -> None:
        self._count -= len(deliveries)
        self.alone -= sum(each.alone for each in deliveries)


def _next(
    queue: deque[Delivery], passed: list[Delivery], is_ready: Callable[[Delivery], bool]
) -> Delivery | None:
    """Take the first that is ready; those before it are added to what was passed over."""
    while queue:
        delivery = queue.popleft()
        if is_ready(delivery):
            return delivery
        passed.append(delivery)
    return None
