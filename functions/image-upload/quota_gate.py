"""Whether a tenant may send one more image: its quota, and what it has used of it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import scores
from pipeline.errors import PipelineError
from pipeline.ids import INPUT_BUCKET, TENANT_BUCKET
from pipeline.kafka.backlog import Reading
from pipeline.kafka.publisher import Written
from pipeline.kafka.topics import Topic
from pipeline.quotas import KEY, Quota, Quotas
from pipeline.storage.object_store import ObjectStore
from pipeline.storage.usage import Settled, Usage, Used
from quota_answers import headers, refusal

logger = logging.getLogger(__name__)

_READ_EVERY_SECONDS = 5.0
_AT_MOST_EVERY_SECONDS = 0.1
# Not yet told to Redis; beyond it the oldest are forgotten there after two minutes.
_MOST_UNTOLD = 20_000
_STORED = ("stored_images", "stored_bytes")


@dataclass
class Taken:
    """What became of one image that had room; said by whoever accepts it.

    Attributes:
        created: its object is new, or may be.
        place: where its event lies; None: nothing was accepted.
        headers: what is told of the quota.
    """

    created: bool = False
    place: tuple[Topic, Written] | None = None
    headers: dict[str, str] | None = None


class QuotaGate:
    """Knows the quotas of all tenants; one of a tenant without costs nothing.

    What is over is told from Redis in one round trip, before anything is stored. Where Redis does
    not answer everything comes in, and is not counted.

    Args:
        look_soon: asks for a reading, told to `note`.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        store: ObjectStore,
        usage: Usage,
        usual: Quota,
        look_soon: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._usage = usage
        self._usual = usual
        self._look_soon = look_soon
        self._clock = clock
        self._quotas = Quotas()
        self._is_read = True
        self._untold: deque[Settled] = deque(maxlen=_MOST_UNTOLD)
        self._uncounted: set[str] = set()
        self._in_flight: set[str] = set()
        self._reading: Reading | None = None
        self._is_wanted = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep_on, name="quotas", daemon=True)

    def start(self) -> None:
        """Read the quotas, and again every few seconds."""
        self.read()
        self._thread.start()

    def close(self) -> None:
        """Tell Redis what it has not been told, then stop."""
        self._closing.set()
        self._is_wanted.set()
        if self._thread.is_alive():
            self._thread.join()
        self.tell()

    @contextmanager
    def one(
        self, tenant: str, size: int, is_stored: Callable[[], bool] = lambda: False
    ) -> Iterator[Taken]:
        """Take room for one image; what became of it is to be said within the block.

        Args:
            is_stored: tells whether the image is; asked where there is no room to store another.

        Raises:
            OverQuota: there is none.
        """
        taken, quota = Taken(), self._quotas.of(tenant, self._usual)
        if not quota.is_limited:
            yield taken
            return
        now, member = self._clock(), os.urandom(8).hex()
        day = _day(now)
        used, adds = self._usage.take(tenant, quota, day, now, member, size), True
        if used and used.refused in _STORED and is_stored():
            used, adds = self._usage.take(tenant, quota, day, now, member, size, adds=False), False
        if used is None:
            yield taken
            return
        taken.headers = headers(quota, used, now)
        self._note(tenant, quota, used)
        if used.refused:
            raise refusal(quota, used, size, now, taken.headers)
        try:
            yield taken
        finally:
            adds_nothing = adds and quota.is_stored_limited and not taken.created
            self._untold.append(_settled(tenant, day, member, size, quota, taken, adds_nothing))
            self._is_wanted.set()

    def note(self, reading: Reading) -> None:
        """Take in how far the consumer group is."""
        if self._in_flight:
            self._reading = reading
            self._is_wanted.set()

    def read(self) -> None:
        """Read the quotas now; those that are known stand where they cannot be read."""
        try:
            self._quotas = Quotas.parse(self._store.get(TENANT_BUCKET, KEY))
        except (PipelineError, ValueError) as error:
            if self._is_read:
                logger.warning("quotas are not known", extra={"reason": str(error)})
            self._is_read = False
        else:
            self._is_read = True

    def tell(self) -> None:
        """Tell Redis what became of what was taken, and what is finished by now."""
        settled = [self._untold.popleft() for _ in range(len(self._untold))]
        if settled:
            self._usage.settle(settled)
        reading, self._reading = self._reading, None
        if reading:
            tenants = list(self._in_flight)
            # Before it is counted: whoever takes one from now on is added again.
            self._in_flight.difference_update(tenants)
            self._in_flight.update(self._usage.finish(tenants, scores.finished(reading)))
        while self._uncounted:
            self._count(self._uncounted.pop())

    def _note(self, tenant: str, quota: Quota, used: Used) -> None:
        if quota.images_in_flight:
            self._in_flight.add(tenant)
            if 2 * used.images_in_flight > quota.images_in_flight:
                self._look_soon()
        if quota.is_stored_limited and not used.is_stored_known:
            self._uncounted.add(tenant)

    def _count(self, tenant: str) -> None:
        """Count what is stored, as nobody knows it."""
        if not self._usage.begin_counting(tenant):
            return
        began, images, size = self._clock(), 0, 0
        try:
            for stored in self._store.listed(INPUT_BUCKET, f"{tenant}/"):
                if stored.stored_at < began:
                    images, size = images + 1, size + stored.size
        except PipelineError as error:
            logger.warning("stored images not counted", extra={"reason": str(error)})
            return
        self._usage.counted(tenant, images, size)

    def _keep_on(self) -> None:
        read_at = time.monotonic()
        while not self._closing.is_set():
            self._is_wanted.wait(_READ_EVERY_SECONDS)
            self._is_wanted.clear()
            self.tell()
            if time.monotonic() - read_at >= _READ_EVERY_SECONDS:
                read_at = time.monotonic()
                self.read()
            self._closing.wait(_AT_MOST_EVERY_SECONDS)


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def _settled(
    tenant: str, day: str, member: str, size: int, quota: Quota, taken: Taken, adds_nothing: bool
) -> Settled:
    score = None
    if taken.place and quota.images_in_flight:
        score = scores.of(*taken.place)
    return Settled(
        tenant,
        day,
        member,
        size,
        is_given_back=taken.place is None,
        is_stored_before=adds_nothing,
        score=score,
    )
