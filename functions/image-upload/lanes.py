"""Which topic an accepted image's event goes to: no tenant's backlog is in another one's way."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.kafka import topics
from pipeline.kafka.backlog import Reading
from pipeline.kafka.publisher import Written
from pipeline.kafka.topics import Partition, Topic

# So many unfinished ones of a tenant are in image-uploads, by what one replica knows: a batch of
# the classifier's. With those that somebody waits for twice as many.
SHARE = 8
AWAITED_SHARE = 3 * SHARE
# Of all tenants; beyond it there is no precedence left to give.
_MOST_NOTED = 20_000


@dataclass
class Lane:
    """Where one event goes, and where it lies when it was acknowledged."""

    topic: Topic
    written: Written | None = None


@dataclass
class _Tenant:
    """What of a tenant is unfinished.

    Attributes:
        sending: to image-uploads, not yet acknowledged.
        noted: places in image-uploads.
        bulk: its own lane.
        bulk_sending: to that lane, not yet acknowledged.
        bulk_last: the place in that lane that was written last.
    """

    sending: int = 0
    noted: list[Written] = field(default_factory=list)
    bulk: Topic | None = None
    bulk_sending: int = 0
    bulk_last: Written | None = None

    @property
    def unfinished(self) -> int:
        """How much of image-uploads it has."""
        return self.sending + len(self.noted)

    def finish(self, positions: Mapping[Partition, int]) -> None:
        """Forget what is finished by now."""
        self.noted = [each for each in self.noted if _is_open(topics.UPLOADS, each, positions)]
        if self.bulk is None or self.bulk_sending:
            return
        if self.bulk_last is None or not _is_open(self.bulk, self.bulk_last, positions):
            self.bulk = self.bulk_last = None


class Lanes:
    """Gives every tenant its share of image-uploads, and a lane of its own for the rest.

    Known are this process' own uploads and how far the consumer group is: nothing is asked of
    anybody for an upload. A process that has just started knows of none.

    Attributes:
        look_soon: asks for a reading, told to `note`, as a tenant's share runs out.
    """

    def __init__(self, share: int = SHARE, awaited_share: int = AWAITED_SHARE) -> None:
        self.look_soon: Callable[[], None] = lambda: None
        self._share = share
        self._awaited_share = awaited_share
        self._lock = threading.Lock()
        self._tenants: dict[str, _Tenant] = {}
        self._noted = 0
        self._waiting_in: Mapping[str, int] = {}
        self._crowds: Counter[str] = Counter()  # tenants in each lane of bulk

    @contextmanager
    def one(self, tenant: str, *, is_awaited: bool) -> Iterator[Lane]:
        """Choose the lane of one event; where it was written is to be said within the block.

        Args:
            is_awaited: a client waits for the result.
        """
        with self._lock:
            known = self._tenants.setdefault(tenant, _Tenant())
            most = self._awaited_share if is_awaited else self._share
            has_share = known.unfinished < most and self._noted < _MOST_NOTED
            lane = Lane(topics.UPLOADS if has_share else self._bulk_of(tenant, known))
            known.sending += has_share
            known.bulk_sending += not has_share
            is_short = 2 * known.unfinished > most
        if is_short:
            self.look_soon()
        try:
            yield lane
        finally:
            with self._lock:
                self._settle(known, lane)

    def note(self, reading: Reading) -> None:
        """Forget what is finished by now."""
        with self._lock:
            self._waiting_in = reading.waiting_in
            for known in self._tenants.values():
                known.finish(reading.positions)
            self._tenants = {
                name: each for name, each in self._tenants.items() if each.unfinished or each.bulk
            }
            self._noted = sum(len(each.noted) for each in self._tenants.values())
            self._crowds = Counter(each.bulk.name for each in self._tenants.values() if each.bulk)

    def _settle(self, known: _Tenant, lane: Lane) -> None:
        if lane.topic is not topics.UPLOADS:
            known.bulk_sending -= 1
            known.bulk_last = lane.written or known.bulk_last
            return
        known.sending -= 1
        if lane.written:
            known.noted.append(lane.written)
            self._noted += 1

    def _bulk_of(self, tenant: str, known: _Tenant) -> Topic:
        """Choose a lane and keep to it: its usual one, unless another is emptier."""
        if known.bulk is None:
            usual = topics.bulk_of(tenant)
            known.bulk = min(topics.BULK, key=lambda lane: (self._crowd(lane), lane is not usual))
            self._crowds[known.bulk.name] += 1
        return known.bulk

    def _crowd(self, lane: Topic) -> int:
        """Count the tenants in a lane that are known; one if something waits there all the same."""
        return max(self._crowds[lane.name], int(self._waiting_in.get(lane.name, 0) > 0))


def _is_open(topic: Topic, written: Written, positions: Mapping[Partition, int]) -> bool:
    return positions.get((topic.name, written.partition), 0) <= written.offset
